<?php
/**
 * The administrator's login. The merchant may change its password, and may rename or delete the user. Only a login that was renewed in the Secret
 * since it was last applied is applied again: to the user who was the first administrator, found by id, whatever the name is now.
 */

function apply_login(Database $db): void {
    $name = setting('STORE_ADMIN_USER');
    $password = setting('STORE_ADMIN_PASSWORD');
    $applied = $db->recall('password');
    $renewed = $applied === null || !password_verify($password, $applied) || ($db->recall('login') ?? $name) !== $name;
    $user = administrator($db, $name);
    if ($user === null) {
        say("the administrator that the Secret's login is for was deleted in the shop: " . ($renewed ? 'the renewed login is not applied' : 'the login does not work'));
        return;
    }
    if ($password === '' || !$renewed) {
        if ($user['user_login'] !== $name) {
            say("the administrator is {$user['user_login']} in the shop and $name in the Secret: a login that is renewed in the Secret is applied to this user");
        }
        return;
    }
    $taken = $db->query('SELECT ID FROM wp_users WHERE user_login = ? AND ID <> ?', [$name, $user['ID']]) !== [];
    if ($taken) {
        say("another user of the shop has the name $name now: the administrator's name stays {$user['user_login']}");
    }
    // WordPress's own form of bcrypt: the SHA-384 before it lets passwords be longer than 72 bytes
    $hash = password_hash(base64_encode(hash_hmac('sha384', trim($password), 'wp-sha384', true)), PASSWORD_BCRYPT, ['cost' => 10]);
    $db->atomically(function () use ($db, $user, $name, $hash, $taken) {
        $db->query('UPDATE wp_users SET user_login = ?, user_pass = ? WHERE ID = ?', [$taken ? $user['user_login'] : $name, "\$wp$hash", $user['ID']]);
        $db->remember(['admin_id' => $user['ID'], ...applied_login()]);
    });
    say('the login of the Secret is set');
}

/** The first administrator: by the stored id; without one (an older image, or another origin of the database) the user is found by name. */
function administrator(Database $db, string $name): ?array {
    $id = $db->recall('admin_id');
    $found = $id === null
        ? $db->query('SELECT ID, user_login FROM wp_users WHERE user_login = ?', [$name])
            ?: $db->query("SELECT u.ID, u.user_login FROM wp_users u JOIN wp_usermeta m ON m.user_id = u.ID
                WHERE m.meta_key = 'wp_capabilities' AND m.meta_value LIKE '%\"administrator\"%' ORDER BY u.ID LIMIT 1")
        : $db->query('SELECT ID, user_login FROM wp_users WHERE ID = ?', [$id]);
    return $found[0] ?? null;
}

/** What storeplane_state keeps of the login that was applied last: no password, only a hash to compare with. */
function applied_login(): array {
    return ['login' => setting('STORE_ADMIN_USER'), 'password' => password_hash(setting('STORE_ADMIN_PASSWORD'), PASSWORD_BCRYPT, ['cost' => 8])];
}
