<?php
/**
 * A copy for testing that becomes a shop for customers. Its data came with tasks of the shop that it was copied from, and while it was a copy nothing ran:
 * what is due would reach customers who have had it long ago. So due tasks are canceled. Recurring ones stay, and so do tasks that are due later.
 */

/** Action Scheduler's groups that only keep WooCommerce's own tables. */
const KEPT_GROUPS = ['woocommerce-db-updates', 'wc-admin-data', 'wc_batch_processes'];
/** Single actions that schedule their successor, and send nothing to customers. */
const KEPT_ACTIONS = ['woocommerce_cancel_unpaid_orders'];
/** Its deliveries are canceled also if they are due later: they are repetitions of failed ones. */
const WEBHOOKS = 'woocommerce-webhooks';
/** WordPress's own single events, which send nothing. */
const KEPT_EVENTS = ['publish_future_post', 'wp_split_shared_term_batch', 'wp_update_comment_type_batch'];

/** The database says which environment it was last used in, so that an interrupted change is made again, and a restored backup is treated as the copy that it was. */
function apply_environment(Database $db): void {
    $environment = setting('STORE_STAGING') === 'true' ? 'staging' : 'production';
    $was = $db->recall('environment');
    if ($was === $environment) {
        return;
    }
    $db->atomically(function () use ($db, $was, $environment) {
        if ($was === 'staging') {
            $actions = cancel_due_actions($db);
            $events = remove_due_events($db);
            $mails = $db->change("DELETE FROM wp_options WHERE option_name LIKE 'wp\\_1\\_wc\\_emailer\\_batch\\_%'");
            say("the copy is a shop for customers now: canceled $actions due actions, $events due events and $mails batches of mail");
        }
        $db->remember(['environment' => $environment]);
    });
}

function cancel_due_actions(Database $db): int {
    if (!$db->hasTable('wp_actionscheduler_actions')) {
        return 0;
    }
    $marks = fn(array $values) => implode(', ', array_fill(0, count($values), '?'));
    return $db->change(
        "UPDATE wp_actionscheduler_actions a LEFT JOIN wp_actionscheduler_groups g ON g.group_id = a.group_id
         SET a.status = 'canceled'
         WHERE a.status = 'pending'
           AND a.schedule NOT LIKE '%IntervalSchedule%' AND a.schedule NOT LIKE '%CronSchedule%'
           AND (a.scheduled_date_gmt <= UTC_TIMESTAMP() OR g.slug = ?)
           AND COALESCE(g.slug, '') NOT IN ({$marks(KEPT_GROUPS)}) AND a.hook NOT IN ({$marks(KEPT_ACTIONS)})",
        [WEBHOOKS, ...KEPT_GROUPS, ...KEPT_ACTIONS]);
}

function remove_due_events(Database $db): int {
    $removed = 0;
    $events = unserialize($db->option('cron') ?? 'a:0:{}', ['allowed_classes' => false]);
    foreach ($events as $time => $hooks) {
        if (!is_int($time) || $time > time()) {
            continue;
        }
        foreach ($hooks as $hook => $calls) {
            foreach ($calls as $key => $call) {
                if (!$call['schedule'] && !in_array($hook, KEPT_EVENTS, true)) {
                    unset($events[$time][$hook][$key]);
                    $removed++;
                }
            }
        }
        $events[$time] = array_filter($events[$time]);
    }
    if ($removed > 0) {
        $db->setOption('cron', serialize(array_filter($events)));
    }
    return $removed;
}
