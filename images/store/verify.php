<?php
/** verify.php CHECKSUMS.json DIR: the plugin has exactly the published files. */
[, $list, $dir] = $argv;
$files = json_decode(file_get_contents($list), true, flags: JSON_THROW_ON_ERROR)['files'];
$wrong = [];
foreach ($files as $name => $sums) {
    $got = is_file("$dir/$name") ? hash_file('sha256', "$dir/$name") : null;
    if (!in_array($got, (array) $sums['sha256'], true)) {
        $wrong[] = $name;
    }
}
foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($dir, FilesystemIterator::SKIP_DOTS)) as $path => $file) {
    if (!isset($files[substr($path, strlen($dir) + 1)])) {
        $wrong[] = "$path (not in the list)";
    }
}
fprintf(STDERR, "%d files compared, %d wrong\n", count($files), count($wrong));
if ($wrong || !$files) {
    fwrite(STDERR, implode("\n", array_slice($wrong, 0, 20)) . "\n");
    exit(1);
}
