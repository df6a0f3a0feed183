<?php
/**
 * Makes the database this store's own. Every step may be cut off anywhere and run again; what was done is told by
 * the table storeplane_state, whose `phase` goes importing → imported → ready. A database with a shop in it is left as it is.
 */
require __DIR__ . '/Database.php';
require __DIR__ . '/personalise.php';

const SHARE = __DIR__;
const SITE = '/var/www/html';

$from = microtime(true);
function say(string $text): void {
    global $from;
    fprintf(STDERR, "bootstrap: %5.2f s  %s\n", microtime(true) - $from, $text);
}
function fail(string $text): never {
    say($text);
    exit(1);
}
function setting(string $name): string {
    return (string) getenv($name);
}

try {
    $db = Database::connect(setting('STORE_DB_HOST'), (int) (setting('STORE_DB_PORT') ?: 3306), setting('STORE_DB_USER'), setting('STORE_DB_PASSWORD'), setting('STORE_DB_NAME'));
    say('the database answers');
    $db->lock('storeplane-bootstrap', 600); // another pod of this shop may do the same now

    $image = trim(file_get_contents(SHARE . '/version'));
    $phase = $db->phase();
    if ($phase === 'unknown') {
        fail('the database holds tables, but no WordPress: it is not touched');
    }
    if ($phase === 'foreign') {
        say('the database has a shop that was made elsewhere: it is kept');
        $db->createState();
        $db->remember(['phase' => 'ready', 'image' => 'unknown', 'password' => password_hash(setting('STORE_ADMIN_PASSWORD'), PASSWORD_BCRYPT)]);
        $phase = 'ready';
    }
    if ($phase === 'empty' || $phase === 'importing') {
        if ($phase === 'importing') {
            say('an import was cut off: beginning anew');
        }
        $db->import(SHARE . '/seed.sql', $image);
        say('the seed is imported');
        $phase = 'imported';
    }
    if ($phase === 'imported') {
        copy_pictures(SHARE . '/uploads', SITE . '/wp-content/uploads');
        personalise($db);
        say('the shop is this store\'s own');
    }
    follow_settings($db);

    $known = $db->recall('image');
    if ($known !== $image) {
        say("updating the database from $known to $image");
        wp('core', 'update-db');
        wp('wc', 'update');
        $db->remember(['image' => $image]);
    }
    $wanted = setting('STORE_PLUGINS');
    if ($wanted !== ($db->recall('plugins') ?? '')) {
        wp('plugin', 'activate', ...explode(' ', $wanted ?: 'woocommerce'));
        $db->remember(['plugins' => $wanted]);
    }
    say('done');
} catch (mysqli_sql_exception $e) {
    fail('the database said: ' . $e->getMessage());
}

function wp(string ...$args): void {
    $process = proc_open(['/usr/local/bin/wp', ...$args], [1 => STDERR, 2 => STDERR], $pipes);
    if (proc_close($process) !== 0) {
        fail('wp ' . implode(' ', $args) . ' failed');
    }
}
