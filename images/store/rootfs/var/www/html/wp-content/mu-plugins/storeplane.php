<?php
/*
Plugin Name: storeplane
Description: Settings of a shop on storeplane: mail by SMTP, and cron from outside.
*/
defined('ABSPATH') || exit;

// The CronJob runs the queue; the network policy blocks requests of the shop to itself.
add_filter('action_scheduler_allow_async_request_runner', '__return_false');
add_filter('woocommerce_allow_marketplace_suggestions', '__return_false');
add_filter('woocommerce_background_image_regeneration', '__return_false');

if (getenv('STORE_SMTP_HOST')) {
    add_action('phpmailer_init', function ($mailer) {
        $mailer->isSMTP();
        $mailer->Host = getenv('STORE_SMTP_HOST');
        $mailer->Port = (int) getenv('STORE_SMTP_PORT');
        $mailer->SMTPSecure = ['tls' => 'tls', 'ssl' => 'ssl'][getenv('STORE_SMTP_ENCRYPTION')] ?? '';
        $mailer->SMTPAutoTLS = getenv('STORE_SMTP_ENCRYPTION') === 'tls';
        $mailer->SMTPAuth = (string) getenv('STORE_SMTP_USER') !== '';
        $mailer->Username = (string) getenv('STORE_SMTP_USER');
        $mailer->Password = (string) getenv('STORE_SMTP_PASSWORD');
        $mailer->Timeout = 10;
        // the public authorities, whatever the database's connection trusts
        $mailer->SMTPOptions = ['ssl' => ['cafile' => ABSPATH . WPINC . '/certificates/ca-bundle.crt']];
    });
    // WooCommerce's own setting replaces the administrator's address, but not one that was given for this server, which may accept no other.
    add_filter('wp_mail_from', fn() => getenv('STORE_SMTP_FROM'), getenv('STORE_SMTP_FROM_FIXED') === 'true' ? PHP_INT_MAX : 10);
    if ((string) getenv('STORE_SMTP_FROM_NAME') !== '') {
        add_filter('wp_mail_from_name', fn() => getenv('STORE_SMTP_FROM_NAME'), PHP_INT_MAX);
    }
} else {
    add_filter('pre_wp_mail', '__return_false'); // no mail server: fail at once instead of looking for sendmail
}
