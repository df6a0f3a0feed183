<?php
/**
 * Plugins that the chart's values name. Only a change of the wish is applied, so one that the shop's owner deactivated stays so.
 */

function apply_plugins(Database $db): void {
    $wanted = setting('STORE_PLUGINS');
    $known = $db->recall('plugins') ?? '';
    if ($wanted === $known) {
        return;
    }
    $names = fn(string $list) => array_filter(explode(' ', $list));
    remove_plugins($db, array_diff($names($known), $names($wanted), ['woocommerce']));
    wp('plugin', 'activate', ...($names($wanted) ?: ['woocommerce']));
    $db->remember(['plugins' => $wanted]);
}

/** WordPress cannot deactivate plugins whose files are gone; it would activate them again, without their set-up, once the files are back. */
function remove_plugins(Database $db, array $names): void {
    $gone = array_filter($names, fn(string $name) => !is_dir(SITE . "/wp-content/plugins/$name"));
    if ($there = array_diff($names, $gone)) {
        wp('plugin', 'deactivate', ...$there);
    }
    $active = unserialize($db->option('active_plugins') ?? 'a:0:{}', ['allowed_classes' => false]);
    $kept = array_filter($active, fn(string $file) => !in_array(dirname($file), $gone, true));
    if ($kept !== $active) {
        $db->setOption('active_plugins', serialize(array_values($kept)));
        say('deactivated ' . implode(' ', $gone));
    }
}
