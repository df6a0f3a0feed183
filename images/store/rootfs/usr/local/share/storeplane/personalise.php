<?php
/** Turns the seed into this store's shop, and applies values that change later. */

/** Name, administrator, identity and dates: once, in one transaction with the phase that says so. */
function personalise(Database $db): void {
    $db->atomically(function () use ($db) {
        $now = time();
        $email = setting('STORE_ADMIN_EMAIL');
        $options = [
            ...array_fill_keys(NAME_OPTIONS, wanted_name()),
            ...array_fill_keys(EMAIL_OPTIONS, $email),
            'woocommerce_store_id' => setting('STORE_UID') ?: random_uuid(),
            'woocommerce_admin_install_timestamp' => (string) $now,
            'woocommerce_remote_variant_assignment' => (string) random_int(1, 120),
        ];
        $seeded = (int) ($db->option('woocommerce_admin_install_timestamp') ?? $now);
        foreach ($options as $name => $value) {
            $db->setOption($name, $value);
        }
        $events = [];
        foreach (unserialize($db->option('cron') ?? 'a:0:{}', ['allowed_classes' => false]) as $time => $hooks) {
            if (is_int($time)) {
                $events[$time + $now - $seeded] = $hooks;
            } else {
                $events[$time] = $hooks;
            }
        }
        $db->setOption('cron', serialize($events));
        // names that visitors can see must not reveal the login's name
        $db->query("UPDATE wp_users SET user_login = ?, user_nicename = 'owner', display_name = 'Owner', user_email = ?, user_registered = UTC_TIMESTAMP() WHERE ID = 1",
            [setting('STORE_ADMIN_USER'), $email]);
        $db->query("UPDATE wp_usermeta SET meta_value = 'Owner' WHERE user_id = 1 AND meta_key = 'nickname'");
        $db->query('UPDATE wp_posts SET post_date = UTC_TIMESTAMP(), post_date_gmt = UTC_TIMESTAMP(), post_modified = UTC_TIMESTAMP(), post_modified_gmt = UTC_TIMESTAMP()');
        // the seed's pages contain no URL
        $db->remember(['phase' => 'ready', 'admin_id' => '1', 'url' => setting('STORE_URL'), ...wanted_settings()]);
    });
}

/** What makes a URL another one if it follows the host name: a longer host name, or a port. */
const OTHER_HOST = '[A-Za-z0-9_-]|\.[A-Za-z0-9]|:[0-9]';

/** The URL follows the chart's values: everywhere in the tables, also in serialized values and in JSON. A run that was interrupted is continued. */
function apply_url(Database $db): void {
    $new = setting('STORE_URL');
    $old = (string) ($db->recall('url') ?? $db->option('siteurl'));
    $db->remember(['url' => $old]);
    if ($old !== '' && $old !== $new) {
        say("replacing $old by $new");
        replace_url($db, $old, $new);
    }
    foreach (['siteurl', 'home'] as $name) {
        if ($db->option($name) !== $new) {
            $db->setOption($name, $new);
        }
    }
    $db->remember(['url' => $new]);
}

/** Other URLs that begin with the old one stay: https://shop.example.org, or http://shop:8080 for http://shop, which may also be the new one of an interrupted run. */
function replace_url(Database $db, string $old, string $new): void {
    foreach ([[$old, $new], [str_replace('/', '\/', $old), str_replace('/', '\/', $new)]] as [$from, $to]) {
        // an expression is much slower, so only where it is needed
        $careful = tables_with_other_hosts($db, $from);
        wp('search-replace', $from, $to, '--all-tables-with-prefix', ...($careful ? ['--skip-tables=' . implode(',', $careful)] : []), ...['--skip-columns=guid', '--quiet']);
        if ($careful) {
            $expression = preg_quote($from) . '(?!' . OTHER_HOST . ')';
            wp('search-replace', $expression, addcslashes($to, '\\$'), ...$careful, ...['--regex', '--skip-columns=guid', '--quiet']);
        }
    }
}

/** The tables in which a longer URL begins with this one. */
function tables_with_other_hosts(Database $db, string $url): array {
    $found = [];
    $columns = $db->query("SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name LIKE 'wp\\_%' AND column_name <> 'guid' AND data_type IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'json')");
    foreach ($columns as ['t' => $table, 'c' => $column]) {
        if (!isset($found[$table]) && $db->query("SELECT 1 FROM `$table` WHERE `$column` LIKE ? AND `$column` REGEXP ? LIMIT 1", ['%' . addcslashes($url, '\\%_') . '%', preg_quote($url) . '(' . OTHER_HOST . ')'])) {
            $found[$table] = $table;
        }
    }
    return array_values($found);
}

/** Copies the seed's pictures. A file gets its name when it is complete. */
function copy_pictures(string $from, string $to): void {
    foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($from, FilesystemIterator::SKIP_DOTS), RecursiveIteratorIterator::SELF_FIRST) as $path => $file) {
        $target = $to . substr($path, strlen($from));
        if ($file->isDir()) {
            is_dir($target) || mkdir($target, 0775);
        } elseif (!file_exists($target)) {
            copy($path, "$target.part");
            rename("$target.part", $target);
        }
    }
}

function random_uuid(): string {
    $bytes = random_bytes(16);
    $bytes[6] = chr(ord($bytes[6]) & 0x0f | 0x40);
    $bytes[8] = chr(ord($bytes[8]) & 0x3f | 0x80);
    return vsprintf('%s%s-%s-%s-%s-%s%s%s', str_split(bin2hex($bytes), 4));
}
