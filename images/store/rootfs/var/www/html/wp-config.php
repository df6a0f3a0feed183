<?php
/** WordPress's settings, from the environment. Code is read-only: updates come as new images. */
define('DB_NAME', getenv('STORE_DB_NAME'));
define('DB_USER', getenv('STORE_DB_USER'));
define('DB_PASSWORD', getenv('STORE_DB_PASSWORD'));
define('DB_HOST', getenv('STORE_DB_HOST') . ':' . (getenv('STORE_DB_PORT') ?: '3306'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
require_once '/usr/local/share/storeplane/tls.php';
define('MYSQL_CLIENT_FLAGS', database_tls_flags());
$table_prefix = 'wp_';

foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) {
    define($name, getenv($name));
}

if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
define('WP_HOME', getenv('STORE_URL'));
define('WP_SITEURL', getenv('STORE_URL'));
define('FORCE_SSL_ADMIN', str_starts_with(WP_HOME, 'https:'));
define('COOKIE_DOMAIN', false); // cookies for this host only: shops of others are below the same domain

define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', getenv('STORE_INTERNET') !== 'true');
define('WP_POST_REVISIONS', 10);
define('WP_TEMP_DIR', '/tmp');
define('WP_DEFAULT_THEME', 'storefront');
define('WP_MEMORY_LIMIT', (getenv('STORE_PHP_MEMORY') ?: '256') . 'M');
define('WP_MAX_MEMORY_LIMIT', (getenv('STORE_PHP_MEMORY') ?: '256') . 'M');
define('WP_DEBUG', false);

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
