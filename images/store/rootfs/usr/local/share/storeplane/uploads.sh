# The uploads' volume, for backup-uploads and restore-uploads.
uploads=${STORE_UPLOADS:-/var/www/html/wp-content/uploads}
# The archive's volume label, by which restore-uploads knows it.
archive_label='storeplane: uploads of a WooCommerce shop'
# Folders of a restore. Their renames stay within the volume; nginx serves no hidden files.
restored=$uploads/.storeplane-restored
replacing=$uploads/.storeplane-replacing
replaced=$uploads/.storeplane-replaced
removed=$uploads/.storeplane-removed
