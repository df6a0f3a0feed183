//! `healthcheck`: asks the server in the same container whether it lives. For images without a shell.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Failure;

/// Time limit of connecting, sending and receiving, each.
const LIMIT: Duration = Duration::from_secs(2);
/// Maximum length of a status line that is read, in bytes.
const STATUS_LINE_MAX: u64 = 64;

/// Asks the server on `health_listen`.
pub(super) fn run(health_listen: Option<SocketAddr>) -> Result<(), Failure> {
    let address = health_listen.ok_or("healthcheck needs the key health_listen, the server's plain HTTP address")?;
    let status = status_line(local(address)).map_err(|error| format!("no answer from {address}: {error}"))?;
    if status.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(format!("{address} answered {status:?}").into()) }
}

/// A server that listens on every address is called on loopback.
fn local(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a call");
            let mut request = [0; 256];
            let _ = stream.read(&mut request).expect("a request");
            stream.write_all(answer.as_bytes()).expect("sent");
        });
        address
    }

    #[test]
    fn only_a_server_that_answers_200_is_healthy() {
        assert!(run(Some(server("HTTP/1.1 200 OK\r\n\r\nok\n"))).is_ok());
        let error = run(Some(server("HTTP/1.1 503 Service Unavailable\r\n\r\n"))).expect_err("unhealthy");
        assert!(error.to_string().contains("503"), "{error}");
        assert!(run(Some("127.0.0.1:1".parse().expect("an address"))).is_err());
        assert!(run(None).expect_err("nothing to ask").to_string().contains("health_listen"));
        assert_eq!(local("0.0.0.0:8081".parse().expect("an address")).to_string(), "127.0.0.1:8081");
        assert_eq!(local("[::]:8081".parse().expect("an address")).to_string(), "[::1]:8081");
    }
}
