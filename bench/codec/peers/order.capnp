# The order of trade.np, for Cap'n Proto.
@0xb1c5f2d8a3e94d07;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("peer");

struct Order {
    id @0 :UInt64;
    account @1 :UInt64;
    placedMs @2 :Int64;
    price @3 :Float64;
    venue @4 :UInt32;
    flags @5 :UInt16;
    quantity @6 :UInt32;
    buy @7 :Bool;
    symbol @8 :Text;
    note @9 :Text;
}
