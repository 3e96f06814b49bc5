defmodule WarpEngine.Native.PlacementTest do
  # Rules, shards and slots: what they do to keys, what outlives a reopen, what is refused.
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Error, Links, Placement}

  @shards 8

  setup do
    db = Native.open!(:memory, shards: @shards)
    on_exit(fn -> Native.close(db) end)
    {:ok, db: db}
  end

  defp fill(db) do
    for i <- 1..200,
        kind <- ["user", "profile"],
        do: Native.put!(db, "#{kind}:#{i}", "#{kind} #{i}")
  end

  defp whole?(db) do
    Enum.all?(for(i <- 1..200, kind <- ["user", "profile"], do: {kind, i}), fn {kind, i} ->
      Native.get!(db, "#{kind}:#{i}") == "#{kind} #{i}"
    end)
  end

  defp together(db) do
    Enum.count(1..200, fn i ->
      Placement.shard_of!(db, "user:#{i}") == Placement.shard_of!(db, "profile:#{i}")
    end)
  end

  test "the keys of a group have one shard, those there already too", %{db: db} do
    fill(db)
    assert together(db) < 100
    assert Placement.add_rule!(db, ["user:*", "profile:*"]) == :ok
    assert together(db) == 200
    assert whole?(db)
    assert {:ok, [_, {"profile:7", "profile 7", 1.0}]} = Links.get_linked(db, "user:7")
    # The same rule again is no error, and no second rule.
    assert Placement.add_rule(db, ["user:*", "profile:*"]) == :ok

    assert Placement.rules(db) ==
             {:ok, [%{patterns: ["user:*", "profile:*"], place: true, link: true}]}

    assert Placement.remove_rule!(db, "user:*") == :ok
    assert together(db) < 100
    assert whole?(db)
    assert Placement.rules!(db) == []
  end

  test "a rule may place alone or link alone", %{db: db} do
    fill(db)
    assert Placement.add_rule(db, ["user:*", "profile:*"], place: false) == :ok
    assert together(db) < 100
    assert Links.partners(db, "user:1") == {:ok, [{"profile:1", 1.0}]}
    assert [%{place: false, link: true}] = Placement.rules!(db)
    Placement.remove_rule!(db, "user:*")
    assert Placement.add_rule(db, ["user:*", "profile:*"], link: false) == :ok
    assert together(db) == 200
    assert Links.partners(db, "user:1") == {:ok, []}
    assert [%{place: true, link: false}] = Placement.rules!(db)
  end

  test "rules outlive a reopen, and come with the options" do
    path = tmp_path()
    db = Native.open!(path, shards: @shards, rules: "user:*,profile:*;order:*,items:*")
    fill(db)
    assert together(db) == 200
    Placement.remove_rule!(db, "order:*")
    assert Native.close(db) == :ok
    db = Native.open!(path)
    assert together(db) == 200
    assert [%{patterns: ["user:*", "profile:*"]}] = Placement.rules!(db)
    assert whole?(db)
    Native.close(db)
  end

  test "slots move where they are told, and back when the load is evened out" do
    path = tmp_path()
    db = Native.open!(path, shards: @shards)
    fill(db)
    for slot <- 0..4095, do: Placement.move_slot!(db, slot, rem(slot, 2))

    shards = fn db ->
      1..200 |> Enum.map(&Placement.shard_of!(db, "user:#{&1}")) |> Enum.uniq()
    end

    assert Enum.sort(shards.(db)) == [0, 1]
    assert whole?(db)
    assert Native.close(db) == :ok
    db = Native.open!(path)
    assert Enum.sort(shards.(db)) == [0, 1]
    assert {:ok, moved} = Placement.rebalance(db)
    assert moved > 100
    assert length(shards.(db)) == @shards
    assert whole?(db)
    Native.close(db)
  end

  test "every shard has a core that this machine has", %{db: db} do
    cpus = for shard <- 0..(@shards - 1), do: Placement.shard_cpu!(db, shard)
    assert Enum.all?(cpus, &File.exists?("/sys/devices/system/cpu/cpu#{&1}"))
  end

  test "what is refused, and how", %{db: db} do
    refused = &match?({:error, %Error{reason: &1, message: <<_, _::binary>>}}, &2)

    for patterns <- [
          [],
          ["no star"],
          ["two * stars *"],
          ["a*", "a*"],
          [""],
          [String.duplicate("p", 256) <> "*"],
          for(i <- 1..17, do: "#{i}:*"),
          for(i <- 1..1_000, do: "#{i}:*")
        ] do
      assert refused.(:invalid_argument, Placement.add_rule(db, patterns))
      assert_raise Error, fn -> Placement.add_rule!(db, patterns) end
    end

    assert refused.(:invalid_argument, Placement.add_rule(db, ["a*"], place: false, link: false))
    # Bytes that are no text are a pattern like any other.
    assert Placement.add_rule(db, [<<0, 255, ?*>>, <<1, ?*>>]) == :ok
    assert Placement.shard_of!(db, <<0, 255, 7>>) == Placement.shard_of!(db, <<1, 7>>)
    assert refused.(:invalid_argument, Placement.add_rule(db, ["x*", <<1, ?*>>]))
    assert Placement.remove_rule(db, <<1, ?*>>) == :not_found
    assert Placement.remove_rule(db, "") == :not_found

    assert refused.(:invalid_argument, Placement.shard_of(db, ""))
    assert refused.(:too_large, Placement.shard_of(db, String.duplicate("k", 65_536)))
    assert refused.(:invalid_argument, Placement.shard_cpu(db, @shards))
    assert refused.(:invalid_argument, Placement.move_slot(db, 4_096, 0))
    assert refused.(:invalid_argument, Placement.move_slot(db, 0, @shards))

    assert_raise ArgumentError, fn -> Placement.add_rule(db, ["a*"], links: true) end
    assert_raise ArgumentError, fn -> Placement.add_rule(db, ["a*"], place: 1) end
    assert_raise ArgumentError, fn -> Placement.add_rule(db, ["a*", :b]) end
    assert_raise ArgumentError, fn -> Placement.add_rule(db, ["a*" | "b*"]) end
    assert_raise ArgumentError, fn -> Placement.shard_cpu(db, -1) end
    assert_raise ArgumentError, fn -> Placement.move_slot(db, 0x10000000000, 0) end
    assert_raise FunctionClauseError, fn -> Placement.shard_of(db, :key) end
  end

  test "a handle that may only read refuses to place" do
    path = tmp_path()
    Native.close(Native.open!(path, shards: 2, rules: "a*,b*"))
    db = Native.open!(path, read_only: true)
    assert {:error, %Error{reason: :read_only}} = Placement.add_rule(db, ["c*"])
    assert {:error, %Error{reason: :read_only}} = Placement.remove_rule(db, "a*")
    assert {:error, %Error{reason: :read_only}} = Placement.move_slot(db, 0, 1)
    assert {:error, %Error{reason: :read_only}} = Placement.rebalance(db)
    assert [%{patterns: ["a*", "b*"]}] = Placement.rules!(db)
    Native.close(db)
  end
end
