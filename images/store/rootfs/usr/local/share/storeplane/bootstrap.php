<?php
/**
 * Prepares the store's database. Each step can be interrupted at any point and run again: the table storeplane_state records
 * what was done, its `phase` goes importing → imported → ready. A database that has a shop keeps it.
 */
require __DIR__ . '/tls.php';
require __DIR__ . '/Database.php';
require __DIR__ . '/Isolation.php';
require __DIR__ . '/settings.php';
require __DIR__ . '/environment.php';
require __DIR__ . '/personalise.php';
require __DIR__ . '/login.php';
require __DIR__ . '/copy.php';
require __DIR__ . '/plugins.php';

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
    $isolation = new Isolation();
    $db = Database::connect(setting('STORE_DB_HOST'), (int) (setting('STORE_DB_PORT') ?: 3306), setting('STORE_DB_USER'), setting('STORE_DB_PASSWORD'), setting('STORE_DB_NAME'));
    say('connected to the database');
    $db->lock('storeplane-bootstrap', 600); // another pod of this shop may run its bootstrap now

    $image = trim(file_get_contents(SHARE . '/version'));
    $phase = $db->phase();
    if (setting('STORE_SEED') === 'wait' && ($phase === 'empty' || $phase === 'importing')) {
        $phase = wait_for_restore($db);
    }
    $is_new = $phase !== 'ready' && $phase !== 'foreign';
    if ($phase === 'unknown') {
        fail('the database has tables but no WordPress: it is left unchanged');
    }
    if ($phase === 'foreign') {
        say('the database has a shop that was not made by this image: it is kept');
        $db->createState();
        $db->remember(['phase' => 'ready', 'image' => 'unknown', 'url' => setting('STORE_URL'), ...applied_login()]);
        $phase = 'ready';
    }
    if ($phase === 'empty' || $phase === 'importing') {
        if ($phase === 'importing') {
            say('an import was interrupted: starting over');
        }
        $db->import(SHARE . '/seed.sql', $image);
        say('seed imported');
        $phase = 'imported';
    }
    if ($phase === 'imported') {
        copy_pictures(SHARE . '/uploads', SITE . '/wp-content/uploads');
        personalise($db);
        say('shop personalised');
    }
    if (is_copy($db)) {
        adopt_copy($db);
    }
    apply_url($db);
    apply_login($db);
    apply_settings($db);
    apply_environment($db);

    $known = $db->recall('image');
    if ($known !== $image) {
        say("updating the database from $known to $image");
        wp('core', 'update-db');
        wp('wc', 'update');
        $db->remember(['image' => $image]);
    }
    apply_plugins($db);
    if ($is_new) {
        $isolation->report(0); // later starts do not wait for an answer: the CronJob reports, too
    }
    say('done');
} catch (mysqli_sql_exception $e) {
    fail('database error: ' . $e->getMessage());
}

function wp(string ...$args): void {
    $process = proc_open(['/usr/local/bin/wp', ...$args], [1 => STDERR, 2 => STDERR], $pipes);
    if (proc_close($process) !== 0) {
        fail('wp ' . implode(' ', $args) . ' failed');
    }
}
