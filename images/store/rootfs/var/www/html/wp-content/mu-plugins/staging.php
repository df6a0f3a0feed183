<?php
/*
Plugin Name: storeplane staging
Description: A copy of a shop for testing (STORE_STAGING) sends no mail and no webhooks, takes no real payments and is not indexed. The environment says so, not the
database: whatever the copied shop's settings are, nothing leaves.
*/
defined('ABSPATH') || exit;

if (getenv('STORE_STAGING') === 'true') {
    add_filter('pre_wp_mail', '__return_false', PHP_INT_MAX);
    add_filter('woocommerce_webhook_should_deliver', '__return_false', PHP_INT_MAX);
    // what moves no money
    add_filter('woocommerce_available_payment_gateways', fn($gateways) => array_intersect_key((array) $gateways, ['cod' => 1, 'bacs' => 1, 'cheque' => 1]), PHP_INT_MAX);
    add_filter('pre_option_blog_public', fn() => '0', PHP_INT_MAX);
    add_action('admin_notices', function () {
        echo '<div class="notice notice-warning"><p><strong>This is a copy of a shop for testing.</strong> ',
            'It sends no mail and no webhooks, runs no scheduled tasks, offers only payment methods that move no money, and asks search engines not to index it.</p></div>';
    });
}
