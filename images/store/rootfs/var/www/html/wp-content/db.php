<?php
/**
 * WordPress's database connection, which waits while the database restarts: a change of the plan or of the database's image then delays customers' requests
 * instead of failing them. The wait is limited to the first seconds of an outage, so that a database that stays down does not occupy all PHP workers.
 */
defined('ABSPATH') || exit;

final class StoreplaneDatabase extends wpdb {
    /** Seconds since the beginning of an outage in which requests wait. */
    private const WAIT = 10;
    /** Seconds for one attempt: the address may belong to a pod that is gone and does not answer. */
    private const ATTEMPT = 2;
    /** Its time of change is the beginning of the outage, for all workers. */
    private const OUTAGE = '/tmp/storeplane-database-outage';
    /** mysqli's and MariaDB's codes for a server that is not there or is shutting down. A refused login is not among them: it would stay refused. */
    private const UNREACHABLE = [2002, 2003, 2006, 2013, 1053];

    public function db_connect($allow_bail = true) {
        while (!$this->attempt()) {
            if (!in_array(mysqli_connect_errno(), self::UNREACHABLE, true) || !$this->mayWait()) {
                return parent::db_connect($allow_bail);
            }
            usleep(100_000);
        }
        if (is_file(self::OUTAGE)) {
            @unlink(self::OUTAGE);
        }
        return true;
    }

    private function attempt(): bool {
        $before = ini_set('default_socket_timeout', (string) self::ATTEMPT);
        $connected = parent::db_connect(false);
        ini_set('default_socket_timeout', (string) $before);
        return $connected;
    }

    private function mayWait(): bool {
        clearstatcache(true, self::OUTAGE);
        $began = @filemtime(self::OUTAGE);
        if ($began === false) {
            touch(self::OUTAGE);
            $began = time();
        }
        return microtime(true) < $began + self::WAIT;
    }
}

$wpdb = new StoreplaneDatabase(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
