<?php
/**
 * Whether this pod's network policies are enforced. None of them allows connections to the Kubernetes API server, so one that succeeds shows that they are
 * not. The outcome becomes the container's termination message, which the control plane reads from the pod's status:
 *   network-isolation: closed 10.43.0.1:443      (or: open)
 */
final class Isolation {
    /** Seconds after which an unanswered connection counts as blocked. */
    private const SILENT = 1.0;

    private string $address;
    /** @var resource|false|null */
    private $socket = null;
    private float $began;
    private float $tried;

    /** Starts to connect, without waiting. */
    public function __construct() {
        $host = (string) getenv('KUBERNETES_SERVICE_HOST');
        $port = getenv('KUBERNETES_SERVICE_PORT_HTTPS') ?: getenv('KUBERNETES_SERVICE_PORT') ?: '443';
        $this->address = $host === '' ? '' : (str_contains($host, ':') ? "[$host]:$port" : "$host:$port");
        $this->began = microtime(true);
        $this->connect();
    }

    /** Writes the outcome. Some networks apply policies a few seconds after a pod has started: an open connection is tried again, once and for `$seconds` since the start. */
    public function report(float $seconds): void {
        if ($this->address === '') {
            return;
        }
        $open = $this->isOpen();
        while ($open) {
            $this->connect();
            $open = $this->isOpen();
            if (microtime(true) > $this->began + $seconds) {
                break;
            }
            usleep(250_000);
        }
        @file_put_contents(getenv('STORE_TERMINATION_LOG') ?: '/dev/termination-log', 'network-isolation: ' . ($open ? 'open' : 'closed') . " {$this->address}\n");
    }

    private function connect(): void {
        $this->tried = microtime(true);
        $this->socket = $this->address === '' ? null
            : @stream_socket_client("tcp://{$this->address}", $code, $message, self::SILENT, STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT);
    }

    private function isOpen(): bool {
        if (!is_resource($this->socket)) {
            return false;
        }
        [$read, $write, $except] = [null, [$this->socket], null];
        $left = max(0.0, $this->tried + self::SILENT - microtime(true));
        $answered = stream_select($read, $write, $except, (int) $left, (int) (fmod($left, 1) * 1e6));
        // a refused connection answers too, but has no peer
        $open = $answered === 1 && stream_socket_get_name($this->socket, true) !== false;
        fclose($this->socket);
        return $open;
    }
}
