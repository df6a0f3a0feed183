<?php
/** The shop that every store starts from: three products, cash on delivery, pages, Storefront. */
WC_Install::create_pages();
update_option('permalink_structure', '/%postname%/');
update_option('woocommerce_permalinks', ['product_base' => '/product', 'category_base' => 'product-category', 'tag_base' => 'product-tag', 'attribute_base' => '', 'use_verbose_page_rules' => false]);

$options = [
    'woocommerce_coming_soon' => 'no', 'woocommerce_store_pages_only' => 'no', 'woocommerce_private_link' => 'no',
    'woocommerce_onboarding_profile' => ['skipped' => true, 'is_store_country_set' => true],
    'woocommerce_task_list_hidden' => 'yes', 'woocommerce_task_list_complete' => 'yes', 'woocommerce_extended_task_list_hidden' => 'yes',
    'woocommerce_task_list_welcome_modal_dismissed' => 'yes', 'woocommerce_show_marketplace_suggestions' => 'no', 'woocommerce_allow_tracking' => 'no',
    'woocommerce_default_country' => 'US:CA', 'woocommerce_currency' => 'USD', 'woocommerce_enable_guest_checkout' => 'yes', 'woocommerce_calc_taxes' => 'no',
    'woocommerce_cod_settings' => ['enabled' => 'yes', 'title' => 'Cash on delivery', 'description' => 'Pay with cash upon delivery.',
        'instructions' => 'Pay with cash upon delivery.', 'enable_for_methods' => [], 'enable_for_virtual' => 'yes'],
    'blogdescription' => '', 'default_comment_status' => 'closed', 'default_ping_status' => 'closed', 'timezone_string' => 'UTC',
    'storefront_nux_dismissed' => true, 'storefront_nux_fresh_site' => '0', 'show_on_front' => 'page', 'uploads_use_yearmonth_folders' => '1',
];
foreach ($options as $name => $value) {
    update_option($name, $value);
}

// High-Performance Order Storage: WooCommerce enables it for new shops only when an admin page is opened first.
WC_Install::newly_installed();
wc_get_container()->get(Automattic\WooCommerce\Internal\DataStores\Orders\DataSynchronizer::class)->create_database_tables();
update_option('woocommerce_custom_orders_table_enabled', 'yes');
update_option('woocommerce_custom_orders_table_data_sync_enabled', 'no');

foreach (get_posts(['post_type' => ['post', 'page'], 'name' => '', 'numberposts' => -1, 'post_status' => 'any']) as $post) {
    if (in_array($post->post_name, ['hello-world', 'sample-page'], true) || $post->post_status === 'draft') {
        wp_delete_post($post->ID, true);
    }
}
$home = wp_insert_post(['post_type' => 'page', 'post_status' => 'publish', 'post_title' => 'Welcome', 'post_name' => 'home',
    'post_content' => '<!-- wp:shortcode -->[products limit="12" columns="3"]<!-- /wp:shortcode -->']);
update_post_meta($home, '_wp_page_template', 'template-fullwidth.php');
update_option('page_on_front', $home);
foreach (get_option('sidebars_widgets') as $sidebar => $widgets) {
    if (is_array($widgets) && $sidebar !== 'wp_inactive_widgets') {
        $kept[$sidebar] = [];
    }
}
update_option('sidebars_widgets', ($kept ?? []) + ['wp_inactive_widgets' => [], 'array_version' => 3]);

/** A plain picture, drawn here: no licence to respect. */
function picture(string $name, array $color, callable $draw): int {
    $image = imagecreatetruecolor(600, 600);
    imageantialias($image, true);
    imagefill($image, 0, 0, imagecolorallocate($image, 244, 241, 236));
    $draw($image, imagecolorallocate($image, ...$color), imagecolorallocate($image, 244, 241, 236));
    ob_start();
    imagepng($image, null, 9);
    $file = wp_upload_bits("$name.png", null, ob_get_clean());
    $id = wp_insert_attachment(['post_mime_type' => 'image/png', 'post_title' => ucfirst($name), 'post_status' => 'inherit'], $file['file']);
    require_once ABSPATH . 'wp-admin/includes/image.php';
    wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $file['file']));
    return $id;
}
$products = [
    ['mug', 'Mug', '12.00', 'A mug for coffee or tea.', [196, 78, 62], function ($i, $c, $bg) {
        imagefilledellipse($i, 405, 300, 150, 170, $c);
        imagefilledellipse($i, 405, 300, 90, 110, $bg);
        imagefilledrectangle($i, 190, 180, 400, 430, $c);
    }],
    ['notebook', 'Notebook', '8.50', 'A notebook with ruled pages.', [52, 98, 140], function ($i, $c, $bg) {
        imagefilledrectangle($i, 170, 130, 430, 470, $c);
        for ($y = 170; $y < 460; $y += 40) {
            imagefilledellipse($i, 195, $y, 16, 16, $bg);
        }
    }],
    ['tote-bag', 'Tote bag', '19.90', 'A cotton bag for your shopping.', [90, 130, 84], function ($i, $c, $bg) {
        imagefilledellipse($i, 300, 230, 170, 240, $c);
        imagefilledellipse($i, 300, 230, 130, 200, $bg);
        imagefilledrectangle($i, 160, 230, 440, 480, $c);
    }],
];
foreach ($products as [$sku, $name, $price, $text, $color, $draw]) {
    $product = new WC_Product_Simple();
    $product->set_props(['name' => $name, 'slug' => $sku, 'sku' => $sku, 'regular_price' => $price, 'short_description' => $text, 'description' => $text,
        'status' => 'publish', 'catalog_visibility' => 'visible', 'image_id' => picture($sku, $color, $draw), 'reviews_allowed' => false]);
    $product->save();
}
