# Ruby's pg against one database; see ../__init__.py.
#
#   clients.rb pg URL CERTIFICATE-OF-ANOTHER direct|gateway
require 'cgi'
require 'json'
require 'pg'

CLIENT, URL, OTHER, WAY = ARGV
WORD = 'SELECT word FROM club.types WHERE id = $1'.freeze
HELD = 'UPDATE club.held SET times = times + 1 WHERE id <= $1'.freeze
DB = PG.connect(URL)
$stdout.sync = true

def say(line)
  puts JSON.generate(line)
end

def check(got, wanted)
  raise "#{got.inspect} is not #{wanted.inspect}" unless got == wanted
end

def sqlstate_of
  yield
  nil
rescue PG::Error => e
  e.result.error_field(PG::Result::PG_DIAG_SQLSTATE)
end

def ask
  DB.exec_params(HELD, [3]).cmd_tuples
end

def refusal
  ask
rescue PG::Error => e
  %w[sqlstate message detail].zip(
    [PG::Result::PG_DIAG_SQLSTATE, PG::Result::PG_DIAG_MESSAGE_PRIMARY, PG::Result::PG_DIAG_MESSAGE_DETAIL]
      .map { |field| e.result.error_field(field) }
  ).to_h
else
  raise 'it was not refused'
end

ITEMS = {
  tls: lambda {
    begin
      PG.connect(URL.sub(/sslrootcert=.*/, "sslrootcert=#{CGI.escape(OTHER)}"))
    rescue PG::Error => e
      raise unless e.message.include?('certificate verify failed')
    else
      raise 'the certificate is not verified'
    end
    check(DB.exec('SELECT 1').values, [['1']])
  },
  unprepared: lambda {
    check(DB.exec("SELECT 1, 'two', NULL").values, [['1', 'two', nil]])
    check(DB.exec('SELECT 1; SELECT 2').values, [['2']])
  },
  parameters: lambda {
    got = DB.exec_params('SELECT $1::int + 1, $2::text, $3::bytea, $4::text',
                         [41, "it's \\ ☃", { value: "\0\1\xFF".b, format: 1 }, nil]).values
    check(got, [['42', "it's \\ ☃", '\x0001ff', nil]])
    check(DB.exec_params(WORD, [7]).values, [['wörd 7']])
  },
  prepared: lambda {
    DB.prepare('word', WORD)
    check((1..10).map { |n| DB.exec_prepared('word', [n]).getvalue(0, 0) }, (1..10).map { |n| "wörd #{n}" })
  },
  binary: lambda {
    got = DB.exec_params('SELECT big, bytes FROM club.types WHERE id = 7', [], 1)
    check(got.getvalue(0, 0).unpack1('q>'), 7 * 10**12)
    check(got.getvalue(0, 1).unpack1('H*'), '8f14e45fceea167a5a36dedd4bea2543')
  },
  server_side_cursor: lambda { # by SQL: the driver has no other
    got = []
    DB.transaction do
      DB.exec('DECLARE club CURSOR FOR SELECT id FROM club.types ORDER BY id')
      loop do
        some = DB.exec('FETCH 7 FROM club').column_values(0)
        break if some.empty?

        got += some
      end
    end
    check(got.map(&:to_i), (1..50).to_a)
  },
  copy_out: lambda {
    got = []
    DB.copy_data('COPY (SELECT id FROM club.types ORDER BY id) TO STDOUT') do
      while (line = DB.get_copy_data)
        got << line.to_i
      end
    end
    check(got, (1..50).to_a)
  },
  copy_in: lambda {
    DB.copy_data('COPY club.inbox FROM STDIN') { 1000.times { |n| DB.put_copy_data("#{n}\tline\n") } }
    check(DB.exec('SELECT count(*), sum(n) FROM club.inbox').values, [%w[1000 499500]])
  },
  pipeline: lambda {
    DB.enter_pipeline_mode
    20.times { |n| DB.send_query_params('SELECT $1::int', [n]) }
    DB.pipeline_sync
    got = []
    loop do
      result = DB.get_result or next
      break if result.result_status == PG::PGRES_PIPELINE_SYNC

      got << result.getvalue(0, 0).to_i
    end
    DB.exit_pipeline_mode
    check(got, (0...20).to_a)
  },
  notify: lambda {
    DB.exec('LISTEN club')
    DB.exec("NOTIFY club, 'news'")
    heard = nil
    DB.wait_for_notify(5) { |_, _, payload| heard = payload }
    check(heard, 'news')
  },
  cancel: lambda {
    stop = Thread.new do
      sleep 0.3
      DB.cancel
    end
    began = Time.now
    check(sqlstate_of { DB.exec('SELECT pg_sleep(30)') }, '57014')
    stop.join
    raise 'too late' if Time.now - began > 5
    check(DB.exec('SELECT 1').values, [['1']])
  },
  error_in_a_transaction: lambda {
    DB.exec('BEGIN')
    DB.exec("INSERT INTO club.inbox VALUES (-1, 'lost')")
    check(sqlstate_of { DB.exec('SELECT 1/0') }, '22012')
    check(sqlstate_of { DB.exec('SELECT 1') }, '25P02')
    DB.exec('ROLLBACK')
    DB.transaction { DB.exec("INSERT INTO club.inbox VALUES (-2, 'kept')") }
    check(DB.exec('SELECT word FROM club.inbox WHERE n < 0').values, [['kept']])
  },
  held: lambda {
    next check(ask, 3) if WAY == 'direct'

    first = refusal
    say(held: first)
    $stdin.gets
    check(ask, 3)
    again = refusal
    check(again['sqlstate'], 'ZB001')
    raise 'the same ticket again' if again['detail'] == first['detail']
  }
}.freeze

say(client: CLIENT, version: PG::VERSION)
ITEMS.each do |item, todo|
  todo.call
  say(item: item, result: 'passed')
rescue StandardError => e
  DB.exec('ROLLBACK') unless DB.transaction_status == PG::PQTRANS_IDLE
  say(item: item, result: 'failed', why: e.message)
end
