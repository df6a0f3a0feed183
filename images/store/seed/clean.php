<?php
/** Removes from the seed what belongs to one shop or one moment. */
global $wpdb;
flush_rewrite_rules(false);
wc_update_product_lookup_tables_column('min_max_price');
update_option('woocommerce_version', WC()->version);
update_option('woocommerce_db_version', WC()->version);
foreach (['actions', 'logs', 'claims'] as $table) {
    $wpdb->query("DELETE FROM {$wpdb->prefix}actionscheduler_$table");
}
$wpdb->query("DELETE FROM {$wpdb->prefix}woocommerce_sessions");
$wpdb->query("DELETE FROM {$wpdb->usermeta} WHERE meta_key = 'session_tokens'");
foreach (['auth_key', 'auth_salt', 'secure_auth_key', 'secure_auth_salt', 'logged_in_key', 'logged_in_salt', 'nonce_key', 'nonce_salt', 'recovery_keys',
    'woocommerce_store_id', 'action_scheduler_lock_async-request-runner', '_wc_activation_redirect', 'wc_blocks_db_schema_transient'] as $name) {
    $wpdb->delete($wpdb->options, ['option_name' => $name]);
}
// when the seed was made: the bootstrap shifts the cron's dates by it
update_option('woocommerce_admin_install_timestamp', time());
$wpdb->query("DELETE FROM {$wpdb->options} WHERE option_name LIKE '\\_transient\\_%' OR option_name LIKE '\\_site\\_transient\\_%'");
