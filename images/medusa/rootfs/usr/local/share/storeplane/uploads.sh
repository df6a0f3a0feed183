# The uploads' volume, for backup-uploads and restore-uploads.
uploads=${STORE_UPLOADS:-/srv/uploads}
# The archive's volume label, by which restore-uploads knows it.
archive_label='storeplane: uploads of a Medusa shop'
# Folders of a restore. Their renames stay within the volume; hidden files are not served.
restored=$uploads/.storeplane-restored
replacing=$uploads/.storeplane-replacing
replaced=$uploads/.storeplane-replaced
removed=$uploads/.storeplane-removed
