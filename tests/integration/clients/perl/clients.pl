# DBD::Pg against one database; see ../__init__.py.
#
#   clients.pl DBD::Pg URL CERTIFICATE-OF-ANOTHER direct|gateway
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:async :pg_types);
use JSON::PP;
use Time::HiRes qw(sleep time);

my ($client, $url, $other, $way) = @ARGV;
my $json = JSON::PP->new->canonical->utf8;
$| = 1;

sub say_line { print $json->encode({@_}), "\n" }

sub check {
    my ($got, $wanted) = map { $json->allow_nonref->encode($_) } @_;
    die "$got is not $wanted\n" unless $got eq $wanted;
}

sub of_url {
    my ($url) = @_;
    my ($user, $password, $host, $port, $name, $more) = $url =~ m{^postgresql://(.*?):(.*?)\@(.*?):(\d+)/(.*?)\?(.*)$};
    s/%(..)/chr hex $1/ge for $password, $more;
    $more =~ s/&/;/g;
    return ("dbi:Pg:host=$host;port=$port;dbname=$name;$more", $user, $password);
}

sub opened {
    my ($dsn, $user, $password) = of_url(@_);
    return DBI->connect($dsn, $user, $password, {RaiseError => 1, PrintError => 0, AutoCommit => 1});
}

my $db = opened($url);
my $word = 'SELECT word FROM club.types WHERE id = ?';
my $held = 'UPDATE club.held SET times = times + 1 WHERE id <= ?';

sub state_of {
    my ($do) = @_;
    eval { $do->(); 1 } and return undef;
    return $db->state;
}

sub refusal {
    eval { $db->do($held, undef, 3); 1 } and die "it was not refused\n";
    return {sqlstate => $db->state, message => $db->pg_error_field('primary'), detail => $db->pg_error_field('detail')};
}

my @items = (
    tls => sub {
        (my $elsewhere = $url) =~ s/sslrootcert=.*/sslrootcert=$other/;
        eval { opened($elsewhere); 1 } and die "the certificate is not verified\n";
        die $@ unless $@ =~ /certificate verify failed/;
        check($db->selectrow_arrayref('SELECT 1'), [1]);
    },
    unprepared => sub {
        check($db->selectrow_arrayref("SELECT 1, 'two', NULL"), [1, 'two', undef]);
        $db->do("SET application_name = 'perl'");
    },
    parameters => sub {
        check($db->selectrow_arrayref('SELECT ?::int + 1, ?::text, ?::float8, ?::int[], ?::text', undef,
                41, "it's \\ ☃", 2.5, [1, 2], undef), [42, "it's \\ ☃", 2.5, [1, 2], undef]);
        my $one = $db->prepare('SELECT ?::bytea');
        $one->bind_param(1, "\0\1\xff", {pg_type => PG_BYTEA});
        $one->execute;
        check([map { ord } split //, ($one->fetchrow_array)[0]], [0, 1, 255]);
        check($db->selectrow_arrayref($word, undef, 7), ['wörd 7']);
    },
    prepared => sub {
        my $one = $db->prepare($word, {pg_prepare_now => 1});
        check([map { $one->execute($_); ($one->fetchrow_array)[0] } 1 .. 10], [map {"wörd $_"} 1 .. 10]);
    },
    binary => 'results are always text',
    server_side_cursor => sub {    # by SQL: the driver has no other
        $db->begin_work;
        $db->do('DECLARE club CURSOR FOR SELECT id FROM club.types ORDER BY id');
        my @got;
        while (my @some = @{$db->selectcol_arrayref('FETCH 7 FROM club')}) { push @got, @some }
        $db->commit;
        check([map { $_ + 0 } @got], [1 .. 50]);
    },
    copy_out => sub {
        $db->do('COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT');
        my ($line, @got);
        push @got, $line + 0 while chomp_line($line);
        check(\@got, [1 .. 50]);
    },
    copy_in => sub {
        $db->do('COPY club.inbox FROM STDIN');
        $db->pg_putcopydata("$_\tline\n") for 0 .. 999;
        $db->pg_putcopyend;
        check($db->selectcol_arrayref('SELECT sum(n)::int FROM club.inbox'), [499500]);
    },
    pipeline => 'no interface',
    notify => sub {
        $db->do('LISTEN club');
        $db->do("NOTIFY club, 'news'");
        my $until = time + 5;
        my $got;
        sleep 0.02 until $got = $db->pg_notifies or time > $until;
        check($got->[2], 'news');
    },
    cancel => sub {
        my $one = $db->prepare('SELECT pg_sleep(30)', {pg_async => PG_ASYNC});
        $one->execute;
        sleep 0.3;
        my $began = time;
        $db->pg_cancel;
        die "too late\n" if time - $began > 5;
        check($db->state, '57014');
        check($db->selectrow_arrayref('SELECT 1'), [1]);
    },
    error_in_a_transaction => sub {
        $db->begin_work;
        $db->do("INSERT INTO club.inbox VALUES (-1, 'lost')");
        check(state_of(sub { $db->do('SELECT 1/0') }), '22012');
        check(state_of(sub { $db->do('SELECT 1') }), '25P02');
        $db->rollback;
        $db->begin_work;
        $db->do("INSERT INTO club.inbox VALUES (-2, 'kept')");
        $db->commit;
        check($db->selectcol_arrayref('SELECT word FROM club.inbox WHERE n < 0'), ['kept']);
    },
    held => sub {
        return check($db->do($held, undef, 3) + 0, 3) if $way eq 'direct';
        my $first = refusal();
        say_line(held => $first);
        <STDIN>;
        check($db->do($held, undef, 3) + 0, 3);
        my $again = refusal();
        check($again->{sqlstate}, 'ZB001');
        die "the same ticket again\n" if $again->{detail} eq $first->{detail};
    },
);

sub chomp_line { return $db->pg_getcopydata($_[0]) >= 0 }

say_line(client => $client, version => "$DBD::Pg::VERSION");
while (my ($item, $do) = splice @items, 0, 2) {
    if (!ref $do) {
        say_line(item => $item, result => 'not offered', why => $do);
    } elsif (eval { $do->(); 1 }) {
        say_line(item => $item, result => 'passed');
    } else {
        my $why = "$@";
        eval { $db->rollback unless $db->{AutoCommit} };
        say_line(item => $item, result => 'failed', why => $why);
    }
}
$db->disconnect;
