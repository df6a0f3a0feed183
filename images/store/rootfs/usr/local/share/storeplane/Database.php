<?php
/** The shop's database, as the bootstrap needs it. */
final class Database {
    private function __construct(private mysqli $link) {}

    /** Tries every 50 ms, since the server may only be starting; gives up after five minutes. */
    public static function connect(string $host, int $port, string $user, string $password, string $name): self {
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $until = microtime(true) + 300;
        for ($last = '';; usleep(50_000)) {
            try {
                $link = mysqli_init();
                $link->options(MYSQLI_OPT_CONNECT_TIMEOUT, 2);
                @$link->real_connect($host, $user, $password, $name, $port);
                $link->set_charset('utf8mb4');
                return new self($link);
            } catch (mysqli_sql_exception $e) {
                if ($e->getMessage() !== $last) {
                    say('waiting for the database: ' . ($last = $e->getMessage()));
                }
                if (microtime(true) > $until) {
                    throw $e;
                }
            }
        }
    }

    public function query(string $sql, array $values = []): array {
        $result = $this->link->execute_query($sql, $values);
        return $result instanceof mysqli_result ? $result->fetch_all(MYSQLI_ASSOC) : [];
    }

    public function lock(string $name, int $seconds): void {
        if (!(int) $this->query('SELECT GET_LOCK(?, ?) AS got', [$name, $seconds])[0]['got']) {
            fail("no lock within $seconds s: another bootstrap is at work");
        }
    }

    /** empty, importing, imported, ready; `foreign` is a shop without our mark, `unknown` something else. */
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

    /** All in one transaction. */
    public function atomically(callable $work): void {
        $this->link->begin_transaction();
        $work();
        $this->link->commit();
    }

    /** The mark goes in before the first table, so that a cut-off import is known as one. */
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
