<?php
/**
 * Values of the chart that the shop follows while its owner may change them in the administration, too. storeplane_state remembers what was last asked
 * for; only a different value is applied, so an unrelated update never overwrites the owner's choice.
 */

/** Options that begin with the shop's name, and with its administrator's address. The first is always set; the others follow while nobody gave them a value of their own. */
const NAME_OPTIONS = ['blogname', 'woocommerce_email_from_name'];
const EMAIL_OPTIONS = ['admin_email', 'woocommerce_email_from_address', 'woocommerce_stock_email_recipient'];

/** The name as WordPress stores it: escaped, and printed unchanged. */
function wanted_name(): string {
    return htmlspecialchars(setting('STORE_NAME') ?: setting('STORE_ID'), ENT_QUOTES | ENT_HTML401, 'UTF-8');
}

/** Name and address as they are asked for, to be remembered. */
function wanted_settings(): array {
    return ['name' => wanted_name(), 'email' => setting('STORE_ADMIN_EMAIL')];
}

function apply_settings(Database $db): void {
    $known = ['name' => $db->recall('name'), 'email' => $db->recall('email')];
    $wanted = wanted_settings();
    if ($known === $wanted) {
        return;
    }
    $db->atomically(function () use ($db, $known, $wanted) {
        // null: an older image did not remember it; the shop has the name that its owner sees
        if ($known['name'] !== null && $known['name'] !== $wanted['name']) {
            follow($db, NAME_OPTIONS, $known['name'], $wanted['name']);
            say('the name of the shop is set');
        }
        if ($known['email'] !== null && $known['email'] !== $wanted['email']) {
            follow($db, EMAIL_OPTIONS, $known['email'], $wanted['email']);
            move_administrator($db, $known['email'], $wanted['email']);
            // a change that waits for the confirmation of the old address
            $db->query("DELETE FROM wp_options WHERE option_name IN ('adminhash', 'new_admin_email')");
            say("the administrator's e-mail address is set");
        }
        $db->remember($wanted);
    });
}

function follow(Database $db, array $options, string $known, string $wanted): void {
    $current = $db->option($options[0]);
    foreach ($options as $index => $option) {
        if ($index === 0 || in_array($db->option($option), [$known, $current], true)) {
            $db->setOption($option, $wanted);
        }
    }
}

/** The first administrator's own address, if it is still the one that was asked for and nobody else has the new one. */
function move_administrator(Database $db, string $known, string $wanted): void {
    $user = administrator($db, setting('STORE_ADMIN_USER'));
    if ($user !== null && $db->query('SELECT ID FROM wp_users WHERE user_email = ?', [$wanted]) === []) {
        $db->query('UPDATE wp_users SET user_email = ? WHERE ID = ? AND user_email = ?', [$wanted, $user['ID'], $known]);
    }
}
