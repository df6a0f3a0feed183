<?php
/**
 * Counts failures by key, each for a fixed time from its first one, in a file of fixed size: a flood of keys cannot fill the disk. A key is placed by its
 * keyed hash; in the rare case that two share a place, the later one replaces the other. Without the file nothing is counted.
 */
final class FailureCounter {
    private const PLACES = 65536;
    /** Bytes of a place: a tag of the key, the time of the first failure, their number. */
    private const SIZE = 12;

    public function __construct(private string $file, private string $secret, private int $seconds) {}

    public function count(string $key): int {
        return $this->update($key, 0);
    }

    public function add(string $key): int {
        return $this->update($key, 1);
    }

    private function update(string $key, int $more): int {
        $hash = hash_hmac('sha256', $key, $this->secret, true);
        $tag = substr($hash, 8, 4);
        $file = @fopen($this->file, 'c+b');
        if ($file === false || !flock($file, $more > 0 ? LOCK_EX : LOCK_SH)) {
            return 0;
        }
        $position = unpack('V', $hash)[1] % self::PLACES * self::SIZE;
        fseek($file, $position);
        $found = (string) fread($file, self::SIZE);
        ['since' => $since, 'number' => $number] = strlen($found) === self::SIZE && str_starts_with($found, $tag)
            ? unpack('Vsince/Vnumber', $found, 4) : ['since' => 0, 'number' => 0];
        $now = time();
        if ($now >= $since + $this->seconds || $now < $since) {
            [$since, $number] = [$now, 0];
        }
        if ($more > 0) {
            fseek($file, $position);
            fwrite($file, $tag . pack('VV', $since, $number + $more));
        }
        fclose($file);
        return $number + $more;
    }
}
