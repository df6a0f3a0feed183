<?php
/**
 * Plugins that the chart's values name. Only a change of that list is applied, so one that the shop's owner deactivated stays so; another version of a
 * plugin is no change: its files are replaced.
 */

function apply_plugins(Database $db): void {
    $names = fn(?string $list) => array_values(array_filter(explode(' ', $list ?? '')));
    [$listed, $known] = [setting('STORE_PLUGINS'), $db->recall('plugins') ?? ''];
    $wanted = $names($listed);
    // What was active before it was asked for belongs to the shop's owner or image, and stays. Older images did not remember that.
    $activated = $names($db->recall('activated_plugins') ?? $known);
    $removed = array_diff($activated, $wanted, ['woocommerce']);
    if ($listed === $known && $removed === []) {
        return;
    }
    $new = array_diff($wanted, $names($known));
    $activated = array_unique([...$activated, ...array_diff($new, array_map(dirname(...), active_plugins($db)))]);
    // Before it is done: a run that is interrupted, and one after an update that was undone, know what to deactivate.
    $db->remember(['activated_plugins' => implode(' ', $activated)]);
    remove_plugins($db, $removed);
    if ($new) {
        wp('plugin', 'activate', ...$new);
    }
    $db->remember(['plugins' => $listed, 'activated_plugins' => implode(' ', array_intersect($activated, $wanted))]);
}

/** Their files: `faq/faq.php`. */
function active_plugins(Database $db): array {
    return unserialize($db->option('active_plugins') ?? 'a:0:{}', ['allowed_classes' => false]);
}

/** WordPress cannot deactivate plugins whose files are gone; it would activate them again, without their set-up, once the files are back. */
function remove_plugins(Database $db, array $names): void {
    $gone = array_filter($names, fn(string $name) => !is_dir(SITE . "/wp-content/plugins/$name"));
    if ($there = array_diff($names, $gone)) {
        wp('plugin', 'deactivate', ...$there);
    }
    $active = active_plugins($db);
    $kept = array_filter($active, fn(string $file) => !in_array(dirname($file), $gone, true));
    if ($kept !== $active) {
        $db->setOption('active_plugins', serialize(array_values($kept)));
        say('deactivated ' . implode(' ', $gone));
    }
}
