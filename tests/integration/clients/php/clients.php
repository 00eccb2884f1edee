<?php
// PDO against one database; see ../__init__.py.
//
//   clients.php PDO URL CERTIFICATE-OF-ANOTHER direct|gateway
declare(strict_types=1);

[, $client, $url, $other, $way] = $argv;
const WORD = 'SELECT word FROM club.types WHERE id = ?';
const HELD = 'UPDATE club.held SET times = times + 1 WHERE id <= ?';

function say(array $line): void
{
    echo json_encode($line), "\n";
}

function check(mixed $got, mixed $wanted): void
{
    if ($got !== $wanted) {
        throw new Exception(json_encode($got) . ' is not ' . json_encode($wanted));
    }
}

function opened(string $url): PDO
{
    $at = parse_url($url);
    parse_str($at['query'], $more);
    $dsn = "pgsql:host={$at['host']};port={$at['port']};dbname=" . substr($at['path'], 1)
        . ";sslmode={$more['sslmode']};sslrootcert={$more['sslrootcert']}";
    return new PDO($dsn, $at['user'], rawurldecode($at['pass']), [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

$db = opened($url);

function rows(string $text, array $params = []): array
{
    global $db;
    $one = $db->prepare($text);
    $one->execute($params);
    return $one->fetchAll(PDO::FETCH_NUM);
}

function sqlstate_of(callable $do): ?string
{
    try {
        $do();
    } catch (PDOException $error) {
        return $error->errorInfo[0];
    }
    return null;
}

function ask(): int
{
    global $db;
    $one = $db->prepare(HELD);
    $one->execute([3]);
    return $one->rowCount();
}

/** PDO gives the text of the error, as libpq writes it. */
function refusal(): array
{
    try {
        ask();
    } catch (PDOException $error) {
        [$sqlstate, , $text] = $error->errorInfo;
        preg_match('/ERROR:  (.*)\nDETAIL:  (.*)/', $text, $said);
        return ['sqlstate' => $sqlstate, 'message' => $said[1] ?? '', 'detail' => $said[2] ?? $text];
    }
    throw new Exception('it was not refused');
}

$items = [
    'tls' => function () use ($url, $other) {
        try {
            opened(preg_replace('/sslrootcert=.*/', 'sslrootcert=' . rawurlencode($other), $url));
        } catch (PDOException $error) {
            check(str_contains($error->getMessage(), 'certificate verify failed'), true);
            return check(rows('SELECT 1'), [[1]]);
        }
        throw new Exception('the certificate is not verified');
    },
    'unprepared' => function () use ($db) {
        check($db->query("SELECT 1, 'two', NULL")->fetchAll(PDO::FETCH_NUM), [[1, 'two', null]]);
        check($db->exec("SET application_name = 'php'"), 0);
    },
    'parameters' => function () use ($db) {
        foreach ([true, false] as $emulated) {
            $db->setAttribute(PDO::ATTR_EMULATE_PREPARES, $emulated);
            check(rows('SELECT ?::int + 1, ?::text, ?::bool, ?::text', [41, "it's \\ ☃", 'true', null]),
                [[42, "it's \\ ☃", true, null]]);
        }
        check(rows(WORD, [7]), [['wörd 7']]);
        $one = $db->prepare('SELECT ?::bytea');
        $one->bindValue(1, "\0\1\xff", PDO::PARAM_LOB);
        $one->execute();
        check(stream_get_contents($one->fetch(PDO::FETCH_NUM)[0]), "\0\1\xff");
    },
    'prepared' => function () use ($db) {
        $one = $db->prepare(WORD);
        foreach (range(1, 10) as $n) {
            $one->execute([$n]);
            check($one->fetchColumn(), "wörd $n");
        }
    },
    'binary' => 'results are always text',
    'server_side_cursor' => function () use ($db) {
        $db->beginTransaction();
        $one = $db->prepare('SELECT id FROM club.types ORDER BY id', [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
        $one->execute();
        foreach (range(1, 50) as $n) {
            check($one->fetch(PDO::FETCH_NUM), [$n]);
        }
        $db->commit();
    },
    'copy_out' => function () use ($db) {
        check(array_map('intval', $db->pgsqlCopyToArray('club.types (id)')), range(1, 50));
    },
    'copy_in' => function () use ($db) {
        check($db->pgsqlCopyFromArray('club.inbox', array_map(fn ($n) => "$n\tline", range(0, 999))), true);
        check(rows('SELECT sum(n)::int FROM club.inbox'), [[499500]]);
    },
    'pipeline' => 'no interface',
    'notify' => function () use ($db) {
        $db->exec('LISTEN club');
        $db->exec("NOTIFY club, 'news'");
        check($db->pgsqlGetNotify(PDO::FETCH_ASSOC, 5000)['payload'], 'news');
    },
    'cancel' => function () use ($db) { // it cannot cancel, so the server's clock does
        $db->exec("SET statement_timeout = '300ms'");
        check(sqlstate_of(fn () => rows('SELECT pg_sleep(30)')), '57014');
        $db->exec('RESET statement_timeout');
    },
    'error_in_a_transaction' => function () use ($db) {
        $db->beginTransaction();
        $db->exec("INSERT INTO club.inbox VALUES (-1, 'lost')");
        check(sqlstate_of(fn () => rows('SELECT 1/0')), '22012');
        check(sqlstate_of(fn () => rows('SELECT 1')), '25P02');
        $db->rollBack();
        $db->beginTransaction();
        $db->exec("INSERT INTO club.inbox VALUES (-2, 'kept')");
        $db->commit();
        check(rows('SELECT word FROM club.inbox WHERE n < 0'), [['kept']]);
    },
    'held' => function () use ($way) {
        if ($way === 'direct') {
            return check(ask(), 3);
        }
        $first = refusal();
        say(['held' => $first]);
        fgets(STDIN);
        check(ask(), 3);
        $again = refusal();
        check($again['sqlstate'], 'ZB001');
        check($again['detail'] === $first['detail'], false);
    },
];

say(['client' => $client, 'version' => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION]);
foreach ($items as $item => $do) {
    if (is_string($do)) {
        say(['item' => $item, 'result' => 'not offered', 'why' => $do]);
        continue;
    }
    try {
        $do();
        say(['item' => $item, 'result' => 'passed']);
    } catch (Throwable $error) {
        if ($db->inTransaction()) {
            $db->rollBack();
        }
        say(['item' => $item, 'result' => 'failed', 'why' => $error->getMessage()]);
    }
}
