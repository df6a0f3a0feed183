<?php
/** The shop's database, for the bootstrap. */
final class Database {
    private function __construct(private mysqli $link) {}

    /** Seconds for which the server may be unreachable: it may be starting. */
    private const UNREACHABLE = 300;
    /** Seconds for which it may refuse the login or the connection: a database with the old Secret may be about to restart. */
    private const REFUSED = 30;
    /** The server's codes for a refused login: to it, to the database, without a password, by an unknown authentication method. */
    private const LOGIN_ERRORS = [1044, 1045, 1698, 1524];
    /** The server's code for a connection without TLS where it insists on it. */
    private const TLS_REQUIRED = 3159;

    /** Tries every 50 ms, with a limit: the container then fails, and its last message becomes the reason in the pod's status. */
    public static function connect(string $host, int $port, string $user, string $password, string $name): self {
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $flags = database_tls_flags();
        $last = '';
        for ($begin = microtime(true), $refused = null;; usleep(50_000)) {
            error_clear_last();
            try {
                $link = mysqli_init();
                $link->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
                @$link->real_connect($host, $user, $password, $name, $port, null, $flags);
                $link->set_charset('utf8mb4');
                return new self($link);
            } catch (mysqli_sql_exception $e) {
                $problem = self::problem($e, "$host:$port");
                $now = microtime(true);
                $refused = self::isRefused($e) ? $refused ?? $now : null;
                if ($now > $begin + self::UNREACHABLE || ($refused !== null && $now > $refused + self::REFUSED)) {
                    fail($problem);
                }
                if ($problem !== $last) {
                    say("waiting for the database: $problem");
                    $last = $problem;
                }
            }
        }
    }

    private static function isRefused(mysqli_sql_exception $e): bool {
        return in_array($e->getCode(), [...self::LOGIN_ERRORS, self::TLS_REQUIRED], true) || self::isTls($e);
    }

    /** mysqli hides why TLS failed in a warning; the exception says no more than that SSL could not be used. */
    private static function isTls(mysqli_sql_exception $e): bool {
        return str_contains($e->getMessage(), 'SSL') || str_contains(error_get_last()['message'] ?? '', 'SSL');
    }

    private static function problem(mysqli_sql_exception $e, string $address): string {
        $text = rtrim($e->getMessage(), '.');
        if (in_array($e->getCode(), self::LOGIN_ERRORS, true)) {
            return "$text. The database does not accept the login in the store's database Secret. Was the Secret changed after the database started? Upgrading the release (RetryStore) restarts both.";
        }
        if ($e->getCode() === self::TLS_REQUIRED) {
            return "$text. Set database.external.tls.mode.";
        }
        if (self::isTls($e)) {
            $cause = trim(preg_replace('/^.*?(?=SSL|Peer|certificate)/s', '', error_get_last()['message'] ?? ''));
            return "no TLS connection to $address: " . ($cause === '' ? $text : "$text ($cause)");
        }
        return $text;
    }

    public function query(string $sql, array $values = []): array {
        $result = $this->link->execute_query($sql, $values);
        return $result instanceof mysqli_result ? $result->fetch_all(MYSQLI_ASSOC) : [];
    }

    /** Runs a statement that changes rows; returns their number. */
    public function change(string $sql, array $values = []): int {
        $this->query($sql, $values);
        return max(0, (int) $this->link->affected_rows);
    }

    public function lock(string $name, int $seconds): void {
        if (!(int) $this->query('SELECT GET_LOCK(?, ?) AS got', [$name, $seconds])[0]['got']) {
            fail("no lock within $seconds s: another bootstrap holds it");
        }
    }

    public function hasTable(string $name): bool {
        return $this->query('SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?', [$name]) !== [];
    }

    /** empty, importing, imported or ready; `foreign`: a shop without the table storeplane_state; `unknown`: other tables. */
    public function phase(): string {
        $tables = array_column($this->query('SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE()'), 't');
        if (in_array('storeplane_state', $tables, true)) {
            return $this->recall('phase') ?? (count($tables) === 1 ? 'empty' : 'importing');
        }
        return $tables === [] ? 'empty' : (in_array('wp_options', $tables, true) ? 'foreign' : 'unknown');
    }

    public function createState(): void {
        $this->query('CREATE TABLE IF NOT EXISTS storeplane_state (name VARCHAR(32) PRIMARY KEY, value TEXT NOT NULL) ENGINE=InnoDB');
    }

    public function recall(string $name): ?string {
        return $this->query('SELECT value FROM storeplane_state WHERE name = ?', [$name])[0]['value'] ?? null;
    }

    public function remember(array $values): void {
        foreach ($values as $name => $value) {
            $this->query('REPLACE INTO storeplane_state VALUES (?, ?)', [$name, $value]);
        }
    }

    /** Runs `$work` in a transaction. */
    public function atomically(callable $work): void {
        $this->link->begin_transaction();
        $work();
        $this->link->commit();
    }

    /** The phase is written before the first table, so that an interrupted import is recognised. */
    public function import(string $file, string $image): void {
        $this->createState();
        $this->remember(['phase' => 'importing']);
        $this->query('SET foreign_key_checks = 0');
        foreach ($this->query("SELECT table_name AS t FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> 'storeplane_state'") as $row) {
            $this->query("DROP TABLE IF EXISTS `{$row['t']}`");
        }
        $this->query('SET unique_checks = 0');
        $this->link->multi_query(file_get_contents($file));
        do {
            $this->link->store_result();
        } while ($this->link->more_results() && $this->link->next_result());
        $this->query('SET unique_checks = 1');
        $this->query('SET foreign_key_checks = 1');
        $this->remember(['image' => $image, 'phase' => 'imported']);
    }

    public function option(string $name): ?string {
        return $this->query('SELECT option_value AS v FROM wp_options WHERE option_name = ?', [$name])[0]['v'] ?? null;
    }

    public function setOption(string $name, string $value, string $autoload = 'on'): void {
        $this->query('INSERT INTO wp_options (option_name, option_value, autoload) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE option_value = VALUES(option_value)', [$name, $value, $autoload]);
    }
}
