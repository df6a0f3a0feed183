<?php
/**
 * Runs WordPress's due events, the Action Scheduler's queue among them, and answers when they are done
 * (wp-cron.php answers first, so that its caller never learns of an error).
 */
define('DOING_CRON', true);
set_time_limit(280);
ignore_user_abort(true);
require '/var/www/html/wp-load.php';
header('Content-Type: text/plain');
nocache_headers();

global $wpdb;
if (!$wpdb->get_var("SELECT GET_LOCK('storeplane-cron', 0)")) {
    exit('another run is under way');
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
                break 3; // the next run goes on
            }
        }
    }
}
$wpdb->query("SELECT RELEASE_LOCK('storeplane-cron')");
printf("%d events in %.1f s", $ran, microtime(true) - $from);
