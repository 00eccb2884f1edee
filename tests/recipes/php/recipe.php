<?php
/** Waits until an operator has decided; the gateway answers every few seconds, decided or not. */
function decided(PDO $db, PDOException $held): string
{
    preg_match('/DETAIL: *(\{.*\})/', $held->errorInfo[2], $detail);
    $ticket = json_decode($detail[1]);
    while ($ticket->state === 'pending')
        $ticket = json_decode($db->query("SHOW backstop.wait.\"$ticket->ticket\"")->fetchColumn());
    return $ticket->state;
}

/** Runs one statement; where it is held, the same statement again once it is approved. */
function when_approved(PDO $db, string $sql, array $values): int
{
    while (true) {
        try {
            $statement = $db->prepare($sql);
            $statement->execute($values);
            return $statement->rowCount();
        } catch (PDOException $e) {
            if ($e->errorInfo[0] !== 'ZB001') // it will not run: ZB002 is an operator's no
                throw $e;
            echo "held\n";
            if (decided($db, $e) !== 'approved')
                throw $e;
        }
    }
}

$db = new PDO($argv[1]); // "pgsql:host=gateway port=6543 dbname=app user=... password=... sslmode=verify-full"
echo 'read ', $db->query('SELECT count(*) FROM orders')->fetchColumn(), "\n";
try {
    $n = when_approved($db, 'DELETE FROM orders WHERE paid = ?', ['false']);
    echo "deleted $n\n";
} catch (PDOException $e) {
    echo 'stopped ', $e->errorInfo[0], "\n";
    exit(3);
}
