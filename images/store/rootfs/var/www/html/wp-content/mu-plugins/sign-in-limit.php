<?php
/*
Plugin Name: storeplane sign-in limit
Description: Refuses sign-ins after repeated failures, for 15 minutes. It covers every form that checks a password: wp-login.php, and My account.
*/
defined('ABSPATH') || exit;
require_once '/usr/local/share/storeplane/FailureCounter.php';

final class SignInLimit {
    private const SECONDS = 15 * MINUTE_IN_SECONDS;
    /** Failures of one name from one address. */
    private const BY_NAME = 10;
    /** Failures from one address, whatever the name. */
    private const BY_ADDRESS = 50;

    private FailureCounter $failures;

    private function __construct() {
        $this->failures = new FailureCounter(get_temp_dir() . 'failed-sign-ins', AUTH_SALT, self::SECONDS);
    }

    public static function install(): void {
        $limit = new self();
        add_filter('authenticate', [$limit, 'check'], 1, 2); // before the password is checked, which is slow
        add_filter('authenticate', [$limit, 'hide_names'], 100);
        add_action('wp_login_failed', [$limit, 'failed']);
    }

    public function check($user, $name) {
        foreach ($this->keys((string) $name) as $key => $most) {
            if ($this->failures->count($key) >= $most) {
                header('Retry-After: ' . self::SECONDS);
                wp_die('Too many failed sign-ins. Try again in 15 minutes.', 'Too many failed sign-ins', ['response' => 429]);
            }
        }
        return $user;
    }

    public function failed($name): void {
        foreach ($this->keys((string) $name) as $key => $most) {
            $this->failures->add($key);
        }
    }

    /** WordPress's message says whether the name or the password was wrong, which reveals the names that exist. */
    public function hide_names($user) {
        if (is_wp_error($user) && array_intersect($user->get_error_codes(), ['invalid_username', 'invalid_email', 'incorrect_password']) !== []) {
            return new WP_Error('incorrect_password', __('<strong>Error:</strong> Invalid username, email address or incorrect password.'));
        }
        return $user;
    }

    /** Keys of the counters, with their limits. Customers may share a private address: the load balancer's, if it hides theirs. */
    private function keys(string $name): array {
        $address = (string) ($_SERVER['REMOTE_ADDR'] ?? '');
        if (trim($name) === '' || $address === '') {
            return [];
        }
        if (filter_var($address, FILTER_VALIDATE_IP, FILTER_FLAG_IPV6)) {
            $address = bin2hex(substr(inet_pton($address), 0, 8)); // a customer has a whole /64
        }
        $keys = ["$address " . strtolower(trim($name)) => self::BY_NAME];
        if (filter_var($_SERVER['REMOTE_ADDR'], FILTER_VALIDATE_IP, FILTER_FLAG_GLOBAL_RANGE)) {
            $keys[$address] = self::BY_ADDRESS;
        }
        return $keys;
    }
}
SignInLimit::install();
