require "active_record"
require "json"

class Order < ActiveRecord::Base
end

# What the gateway or the server said, of an ActiveRecord::StatementInvalid.
def said(error, field)
  error.cause.is_a?(PG::Error) ? error.cause.result&.error_field(field) : nil
end

# Waits until an operator has decided; the gateway answers every few seconds, decided or not.
def decided(error)
  ticket = JSON.parse(said(error, PG::PG_DIAG_MESSAGE_DETAIL))
  while ticket["state"] == "pending"
    ticket = JSON.parse(Order.connection.select_value(%(SHOW backstop.wait."#{ticket["ticket"]}")))
  end
  ticket["state"]
end

# Runs the block; where it is held, the block again once it is approved. Outside of a transaction: one that has
# read is not held open while a human thinks.
def when_approved
  yield
rescue ActiveRecord::StatementInvalid => e
  raise unless said(e, PG::PG_DIAG_SQLSTATE) == "ZB001" # it will not run: ZB002 is an operator's no
  puts "held"
  raise unless decided(e) == "approved"
  retry
end

ActiveRecord::Base.establish_connection(ARGV[0])
$stdout.sync = true
puts "read #{Order.count}"
begin
  puts "deleted #{when_approved { Order.where(paid: false).delete_all }}"
rescue ActiveRecord::StatementInvalid => e
  puts "stopped #{said(e, PG::PG_DIAG_SQLSTATE)}"
  exit 3
end
