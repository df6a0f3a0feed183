-- Fills a new shop with 3,000 products and 20,000 orders of three items each, as WooCommerce 11 stores them (High-Performance Order Storage), to
-- measure backups and restores. Needs MariaDB (tables seq_1_to_N):
--   kubectl -n NAMESPACE exec -i store-db-0 -- sh -c 'MYSQL_PWD=$MARIADB_PASSWORD exec mariadb -u$MARIADB_USER $MARIADB_DATABASE' <dev/acceptance/orders.sql
SET @products = 1000000, @orders = 2000000, @items = 3000000;

INSERT INTO wp_posts (ID, post_author, post_date, post_date_gmt, post_content, post_title, post_excerpt, post_status, comment_status, ping_status, post_name,
    to_ping, pinged, post_modified, post_modified_gmt, post_content_filtered, guid, post_type)
  SELECT @products + seq, 1, '2026-01-01', '2026-01-01', REPEAT(CONCAT('Description of product ', seq, ', ', MD5(seq), '. '), 12), CONCAT('Product ', seq),
    CONCAT('Short description ', SHA1(seq)), 'publish', 'closed', 'closed', CONCAT('product-', seq), '', '', '2026-01-01', '2026-01-01', '',
    CONCAT('http://store.invalid/?post_type=product&p=', seq), 'product' FROM seq_1_to_3000;
INSERT INTO wp_postmeta (post_id, meta_key, meta_value)
  SELECT @products + p.seq, k.name, CASE k.name WHEN '_sku' THEN CONCAT('sku-', p.seq) WHEN '_stock_status' THEN 'instock' WHEN '_tax_status' THEN 'taxable'
      WHEN '_manage_stock' THEN 'no' WHEN '_product_version' THEN '11.0.1' ELSE FORMAT(5 + p.seq % 90, 2) END
    FROM seq_1_to_3000 p JOIN (SELECT '_sku' AS name UNION SELECT '_price' UNION SELECT '_regular_price' UNION SELECT '_stock_status' UNION SELECT '_tax_status'
      UNION SELECT '_manage_stock' UNION SELECT '_product_version') k;
INSERT INTO wp_wc_product_meta_lookup (product_id, sku, min_price, max_price, onsale, stock_status, tax_status)
  SELECT @products + seq, CONCAT('sku-', seq), 5 + seq % 90, 5 + seq % 90, 0, 'instock', 'taxable' FROM seq_1_to_3000;

INSERT INTO wp_wc_orders (id, status, currency, type, tax_amount, total_amount, customer_id, billing_email, date_created_gmt, date_updated_gmt,
    payment_method, payment_method_title, ip_address, user_agent)
  SELECT @orders + seq, ELT(1 + seq % 3, 'wc-processing', 'wc-completed', 'wc-on-hold'), 'USD', 'shop_order', 0, 15 + seq % 270, 0, CONCAT('customer', seq % 8000, '@example.com'),
    '2026-01-01' + INTERVAL seq MINUTE, '2026-01-01' + INTERVAL seq MINUTE, 'cod', 'Cash on delivery', CONCAT('198.51.100.', seq % 250),
    CONCAT('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/', 100 + seq % 40) FROM seq_1_to_20000;
INSERT INTO wp_wc_order_addresses (order_id, address_type, first_name, last_name, address_1, city, state, postcode, country, email, phone)
  SELECT @orders + seq, kind, CONCAT('First', seq % 700), CONCAT('Last', seq % 900), CONCAT(seq % 9999, ' Main Street'), CONCAT('City', seq % 300), 'CA', 90000 + seq % 999, 'US',
    CONCAT('customer', seq % 8000, '@example.com'), CONCAT('555', LPAD(seq, 7, '0')) FROM seq_1_to_20000 JOIN (SELECT 'billing' AS kind UNION SELECT 'shipping') kinds;
INSERT INTO wp_wc_order_operational_data (order_id, created_via, woocommerce_version, prices_include_tax, coupon_usages_are_counted, download_permission_granted, cart_hash, order_key,
    order_stock_reduced, shipping_tax_amount, shipping_total_amount, discount_tax_amount, discount_total_amount, recorded_sales)
  SELECT @orders + seq, 'store-api', '11.0.1', 0, 1, 1, MD5(seq), CONCAT('wc_order_', LEFT(SHA1(seq), 13)), 1, 0, 0, 0, 0, 1 FROM seq_1_to_20000;
INSERT INTO wp_wc_orders_meta (order_id, meta_key, meta_value)
  SELECT @orders + o.seq, k.name, MD5(o.seq) FROM seq_1_to_20000 o JOIN (SELECT '_billing_address_index' AS name UNION SELECT '_shipping_address_index'
    UNION SELECT '_wc_order_attribution_source_type' UNION SELECT '_wc_order_attribution_session_entry' UNION SELECT '_wc_order_attribution_user_agent') k;
INSERT INTO wp_woocommerce_order_items (order_item_id, order_item_name, order_item_type, order_id)
  SELECT @items + seq, CONCAT('Product ', 1 + seq % 3000), 'line_item', @orders + 1 + (seq - 1) DIV 3 FROM seq_1_to_60000;
INSERT INTO wp_woocommerce_order_itemmeta (order_item_id, meta_key, meta_value)
  SELECT @items + i.seq, k.name, CASE k.name WHEN '_product_id' THEN @products + 1 + i.seq % 3000 WHEN '_qty' THEN 1 + i.seq % 3
      WHEN '_line_tax_data' THEN 'a:2:{s:5:"total";a:0:{}s:8:"subtotal";a:0:{}}' WHEN '_tax_class' THEN '' ELSE 5 + i.seq % 90 END
    FROM seq_1_to_60000 i JOIN (SELECT '_product_id' AS name UNION SELECT '_variation_id' UNION SELECT '_qty' UNION SELECT '_tax_class' UNION SELECT '_line_subtotal'
      UNION SELECT '_line_subtotal_tax' UNION SELECT '_line_total' UNION SELECT '_line_tax' UNION SELECT '_line_tax_data') k;
INSERT INTO wp_wc_order_stats (order_id, parent_id, date_created, date_created_gmt, num_items_sold, total_sales, tax_total, shipping_total, net_total, returning_customer, status, customer_id)
  SELECT @orders + seq, 0, '2026-01-01' + INTERVAL seq MINUTE, '2026-01-01' + INTERVAL seq MINUTE, 6, 15 + seq % 270, 0, 0, 15 + seq % 270, 0, 'wc-processing', 1 + seq % 8000 FROM seq_1_to_20000;
INSERT INTO wp_wc_order_product_lookup (order_item_id, order_id, product_id, variation_id, customer_id, date_created, product_qty, product_net_revenue, product_gross_revenue)
  SELECT @items + seq, @orders + 1 + (seq - 1) DIV 3, @products + 1 + seq % 3000, 0, 1 + seq % 8000, '2026-01-01', 2, 10, 10 FROM seq_1_to_60000;
