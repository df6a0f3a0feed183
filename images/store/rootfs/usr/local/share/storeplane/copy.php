<?php
/** A database that was restored from another shop's backup becomes this store's. */

/** With STORE_SEED=wait the database comes from a restore: waits until it is there. The pod's replacement continues to wait if this one ends. */
function wait_for_restore(Database $db): string {
    say('waiting until a backup is restored');
    for ($end = time() + 3600;; sleep(1)) {
        $phase = $db->phase();
        if (!in_array($phase, ['empty', 'importing'], true)) {
            return $phase;
        }
        if (time() > $end) {
            fail('no backup was restored within an hour');
        }
    }
}

/** Whether the shop in the database belongs to another store. */
function is_copy(Database $db): bool {
    return setting('STORE_SEED') === 'wait' && setting('STORE_UID') !== '' && $db->option('woocommerce_store_id') !== setting('STORE_UID');
}

/** URL, then identity and login. The identity is set last: until then a run that was interrupted begins again. */
function adopt_copy(Database $db): void {
    apply_url($db);
    $db->atomically(function () use ($db) {
        // connections of the other shop to services that know it by its identity
        $db->query("DELETE FROM wp_options WHERE option_name IN ('jetpack_private_options', 'jetpack_secrets', 'woocommerce_helper_data')");
        $db->query("DELETE FROM storeplane_state WHERE name IN ('login', 'password')");
        $db->setOption('admin_email', setting('STORE_ADMIN_EMAIL'));
        $db->setOption('woocommerce_store_id', setting('STORE_UID'));
    });
    say('the copy has its own URL, identity and login');
}
