<?php
/**
 * WordPress's database connection, which waits while the database restarts: a change of the plan or of the database's image then delays customers' requests
 * instead of failing them. The wait is limited to the first seconds of an outage, so that a database that stays down does not occupy all PHP workers.
 */
defined('ABSPATH') || exit;

final class StoreplaneDatabase extends wpdb {
    /** Seconds since the beginning of an outage in which requests wait. */
    private const WAIT = 10;
    /** Seconds for one attempt: the address may belong to a pod that is gone and does not answer. PHP's default is 60. */
    private const ATTEMPT = 2;
    /** Its time of change is the beginning of the outage, for all workers. */
    private const OUTAGE = '/tmp/storeplane-database-outage';
    /** mysqli's and MariaDB's codes for a server that is not there or is shutting down. A refused login is not among them: it would stay refused. */
    private const UNREACHABLE = [2002, 2003, 2006, 2013, 1053];

    public function db_connect($allow_bail = true) {
        $timeout = ini_set('default_socket_timeout', (string) self::ATTEMPT);
        $connected = $this->connectInTime($allow_bail);
        ini_set('default_socket_timeout', (string) $timeout);
        if ($connected && is_file(self::OUTAGE)) {
            @unlink(self::OUTAGE);
        }
        return $connected;
    }

    /** Ends a request whose connection was lost and does not come back. WordPress would let each further query of the page wait again. */
    public function check_connection($allow_bail = true) {
        if ((!empty($this->dbh) && mysqli_query($this->dbh, 'DO 1') !== false) || $this->db_connect(false)) {
            return true;
        }
        $this->ready = false; // no further query tries
        if (!$allow_bail) {
            return false;
        }
        if (did_action('template_redirect')) {
            headers_sent() || http_response_code(500);
            exit('The connection to the database was lost.');
        }
        dead_db();
    }

    private function connectInTime(bool $allow_bail): bool {
        while ($this->mayWait()) {
            if (parent::db_connect(false)) {
                return true;
            }
            if (!in_array(mysqli_connect_errno(), self::UNREACHABLE, true)) {
                break;
            }
            is_file(self::OUTAGE) || touch(self::OUTAGE);
            usleep(100_000);
        }
        return parent::db_connect($allow_bail);
    }

    private function mayWait(): bool {
        clearstatcache(true, self::OUTAGE);
        $began = @filemtime(self::OUTAGE);
        return $began === false || microtime(true) < $began + self::WAIT;
    }
}

$wpdb = new StoreplaneDatabase(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
