<?php
/**
 * `cron URL` runs the due events of the shop at URL; `check URL` puts a product into a cart and reads its payment methods.
 * A shop that is down has no events to run: `cron` then reports that and succeeds, so that no failed Job is kept. `cron` also reports
 * whether network policies are enforced.
 */
require __DIR__ . '/Isolation.php';
[, $what, $base] = array_pad($argv, 3, '');
$isolation = $what === 'cron' ? new Isolation() : null;
$host = parse_url(getenv('STORE_URL') ?: $base, PHP_URL_HOST);

function ask(string $method, string $url, ?array $body = null, string $token = ''): array {
    global $host, $what, $isolation;
    $headers = ["Host: $host", 'Content-Type: application/json', "Cart-Token: $token"];
    $options = ['method' => $method, 'header' => $headers, 'content' => $body === null ? '' : json_encode($body),
        'timeout' => 290, 'ignore_errors' => true, 'follow_location' => 0];
    $text = @file_get_contents($url, false, stream_context_create(['http' => $options]));
    $head = function_exists('http_get_last_response_headers') ? http_get_last_response_headers() : ($http_response_header ?? []);
    $status = (int) (explode(' ', $head[0] ?? '')[1] ?? 0);
    if ($text === false || $status < 200 || $status > 299) {
        $problem = "$method $url: " . ($status ?: 'no answer') . ' ' . substr((string) $text, 0, 500);
        if ($what === 'cron' && in_array($status, [0, 503], true)) {
            echo "the shop is down, nothing was run: $problem\n";
            $isolation->report(10);
            exit(0);
        }
        fwrite(STDERR, "$problem\n");
        exit(1);
    }
    foreach ($head as $line) {
        if (stripos($line, 'Cart-Token:') === 0) {
            $token = trim(substr($line, 11));
        }
    }
    return [$text, $token];
}

if ($what === 'cron') {
    echo ask('GET', $base)[0], "\n";
    $isolation->report(10);
    exit(0);
}
$api = rtrim($base, '/') . '/index.php?rest_route=/wc/store/v1';
[$text] = ask('GET', "$api/products&stock_status=instock&type=simple&per_page=1");
$product = json_decode($text, true)[0] ?? null;
if (!$product) {
    echo "the shop answers but has no product to put into a cart\n";
    exit(0);
}
[, $token] = ask('GET', "$api/cart");
[$text] = ask('POST', "$api/cart/add-item", ['id' => $product['id'], 'quantity' => 1], $token);
$cart = json_decode($text, true);
if (($cart['items_count'] ?? 0) < 1) {
    fwrite(STDERR, "the product is not in the cart\n");
    exit(1);
}
printf("%s in the cart, total %s %s, payment by %s\n", $product['name'], $cart['totals']['total_price'] / 10 ** $cart['totals']['currency_minor_unit'],
    $cart['totals']['currency_code'], implode(', ', $cart['payment_methods']) ?: 'nothing');
exit($cart['payment_methods'] ? 0 : 1);
