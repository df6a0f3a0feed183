//! A DNS server over UDP with the records of a test. It has no other names, and may be silent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, TXT};
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;

#[derive(Default)]
struct Zone {
    records: HashMap<String, Vec<RData>>,
    is_silent: bool,
}

/// It answers as long as the runtime of the test runs.
pub(crate) struct DnsServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl DnsServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let (address, zone) = (socket.local_addr().expect("an address"), Arc::new(Mutex::new(Zone::default())));
        tokio::spawn(serve(socket, Arc::clone(&zone)));
        Self { address, zone }
    }

    /// Replaces the TXT records of a name.
    pub(crate) fn texts(&self, name: &str, texts: &[&str]) {
        // A long text is several strings of one record.
        let text = |text: &&str| {
            let (first, second) = text.split_at(text.len() / 2);
            RData::TXT(TXT::new(vec![first.to_owned(), second.to_owned()]))
        };
        self.set(name, texts.iter().map(text).collect());
    }

    /// Replaces the address records of a name.
    pub(crate) fn addresses(&self, name: &str, addresses: &[&str]) {
        let address = |text: &&str| RData::A(A(text.parse().expect("an IPv4 address")));
        self.set(name, addresses.iter().map(address).collect());
    }

    /// Whether it does not answer.
    pub(crate) fn silence(&self, is_silent: bool) {
        self.zone.lock().expect("no panic").is_silent = is_silent;
    }

    fn set(&self, name: &str, records: Vec<RData>) {
        self.zone.lock().expect("no panic").records.insert(format!("{name}."), records);
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await.expect("a datagram");
        let request = Message::from_vec(&buffer[..length]).expect("a DNS message");
        let answer = answer(&request, &zone.lock().expect("no panic"));
        if let Some(answer) = answer {
            socket.send_to(&answer.to_vec().expect("a DNS message"), client).await.expect("sent");
        }
    }
}

fn answer(request: &Message, zone: &Zone) -> Option<Message> {
    let query = request.queries.first().filter(|_| !zone.is_silent)?;
    let mut answer = Message::response(request.metadata.id, request.metadata.op_code);
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let known = zone.records.get(&query.name.to_string().to_lowercase());
    if known.is_none() {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    let records = known.into_iter().flatten().filter(|data| data.record_type() == query.query_type);
    for data in records {
        answer.add_answer(Record::from_rdata(query.name.clone(), 60, data.clone()));
    }
    Some(answer)
}
