<?php
/**
 * mysqli's flags for STORE_DB_TLS: `none`, `require` (encrypted) or `verify` (encrypted, and the certificate is valid for the host).
 * With a flag set mysqli fails if the server offers no TLS. Authorities are those in SSL_CERT_FILE, which the entry point sets.
 */
function database_tls_flags(): int {
    $mode = getenv('STORE_DB_TLS') ?: 'none';
    return match ($mode) {
        'none' => 0,
        'require' => MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT,
        'verify' => MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT,
        default => throw new DomainException("STORE_DB_TLS is $mode: it must be none, require or verify"),
    };
}
