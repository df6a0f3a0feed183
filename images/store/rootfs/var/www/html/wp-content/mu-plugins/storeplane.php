<?php
/*
Plugin Name: storeplane
Description: What a shop on storeplane needs to know of its surroundings: mail, and that its cron runs from outside.
*/
defined('ABSPATH') || exit;

// The CronJob runs the queue; a request to itself would only meet a closed network.
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
    });
    add_filter('wp_mail_from', fn() => getenv('STORE_SMTP_FROM'));
} else {
    add_filter('pre_wp_mail', '__return_false'); // no mail server: say so at once instead of looking for sendmail
}
