<?php
/**
 * Runs WordPress's due events, including the Action Scheduler's queue, and answers when they are done.
 * (wp-cron.php answers before it runs them, so its caller sees no error.) 503: the database is down.
 */
require __DIR__ . '/tls.php';
mysqli_report(MYSQLI_REPORT_OFF);
$link = mysqli_init();
$link->options(MYSQLI_OPT_CONNECT_TIMEOUT, 5);
if (!@$link->real_connect(getenv('STORE_DB_HOST'), getenv('STORE_DB_USER'), getenv('STORE_DB_PASSWORD'), getenv('STORE_DB_NAME'),
    (int) (getenv('STORE_DB_PORT') ?: 3306), null, database_tls_flags())) {
    http_response_code(503);
    exit("no connection to the database: {$link->connect_error}");
}
$link->close();
define('DOING_CRON', true);
set_time_limit(280);
ignore_user_abort(true);
require '/var/www/html/wp-load.php';
header('Content-Type: text/plain');
nocache_headers();

global $wpdb;
if (!$wpdb->get_var("SELECT GET_LOCK('storeplane-cron', 0)")) {
    exit('another run is in progress');
}
$ran = 0;
$from = microtime(true);
foreach (wp_get_ready_cron_jobs() as $time => $hooks) {
    foreach ($hooks as $hook => $events) {
        foreach ($events as $event) {
            if ($event['schedule']) {
                wp_reschedule_event($time, $event['schedule'], $hook, $event['args']);
            }
            wp_unschedule_event($time, $hook, $event['args']);
            do_action_ref_array($hook, $event['args']);
            $ran++;
            if (microtime(true) - $from > 200) {
                break 3; // the next run continues
            }
        }
    }
}
$wpdb->query("SELECT RELEASE_LOCK('storeplane-cron')");
printf("%d events in %.1f s", $ran, microtime(true) - $from);
