defmodule WarpEngine.Native.LinksTest do
  # Links by hand, by rule and learned; their order, their persistence, and what they refuse.
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.{Error, Links}

  setup do
    db = Native.open!(:memory, shards: 4)
    on_exit(fn -> Native.close(db) end)
    {:ok, db: db}
  end

  test "partners come the strongest first, those alone that exist", %{db: db} do
    for i <- 1..5, do: Native.put!(db, "partner #{i}", "value #{i}")
    Native.put!(db, "k", "v")
    for i <- 1..6, do: Links.link!(db, "k", "partner #{i}", i / 8)

    partners = for i <- 5..1, do: {"partner #{i}", i / 8}
    assert Links.partners(db, "k") == {:ok, partners}
    linked = for {key, strength} <- partners, do: {key, Native.get!(db, key), strength}
    assert Links.get_linked(db, "k") == {:ok, [{"k", "v", 1.0} | linked]}

    Links.link!(db, "k", "partner 1", 1)
    assert {:ok, [{"partner 1", 1.0} | _]} = Links.partners(db, "k")
    assert Links.unlink!(db, "k", "partner 1") == :ok
    Native.delete!(db, "partner 5")
    assert Links.partners!(db, "k") == Enum.slice(partners, 1..3)
    # Links have a direction.
    assert Links.partners(db, "partner 2") == {:ok, []}
  end

  test "values of all sizes, keys of any bytes", %{db: db} do
    values =
      for size <- [0, 1, 100, 70_000, 1_000_000], do: {<<0, 255, size::32>>, random_bytes(size)}

    for {key, value} <- values, do: Native.put!(db, key, value)
    [{first, _} | rest] = values
    for {key, _} <- rest, do: Links.link!(db, first, key)
    assert {:ok, answer} = Links.get_linked(db, first)
    assert Enum.sort(for {key, value, 1.0} <- answer, do: {key, value}) == Enum.sort(values)
  end

  test "links outlive a reopen" do
    path = tmp_path()
    db = Native.open!(path, shards: 2)
    Native.write!(db, [{:put, "a", "1"}, {:put, "b", "2"}])
    Links.link!(db, "a", "b", 0.5)
    Links.link!(db, "a", "c")
    Links.unlink!(db, "a", "c")
    assert Native.close(db) == :ok
    db = Native.open!(path)
    assert Links.get_linked(db, "a") == {:ok, [{"a", "1", 1.0}, {"b", "2", 0.5}]}
    Native.close(db)
  end

  test "partners are learned from reads that follow each other" do
    db = Native.open!(:memory, shards: 2, learn_links: true)
    for i <- 1..50, do: Native.write!(db, [{:put, "user #{i}", "u"}, {:put, "photo #{i}", "p"}])

    # What one thread reads is one trace; this one stays on its scheduler for most of it.
    for i <- Enum.flat_map(1..20, fn _ -> Enum.shuffle(1..50) end) do
      Native.get(db, "user #{i}")
      Native.get(db, "photo #{i}")
    end

    learned = Enum.count(1..50, &match?({:ok, [{_, _} | _]}, Links.partners(db, "user #{&1}")))
    assert learned > 25
    Native.close(db)
  end

  test "what is refused, and how", %{db: db} do
    Native.put!(db, "k", "v")
    long = String.duplicate("k", 65_536)
    refused = &match?({:error, %Error{reason: &1, message: <<_, _::binary>>}}, &2)

    for strength <- [0, -1, 1.01, 1.0e300] do
      assert refused.(:invalid_argument, Links.link(db, "a", "b", strength))
    end

    for {from, to} <- [{"", "b"}, {"a", ""}, {"a", "a"}] do
      assert refused.(:invalid_argument, Links.link(db, from, to))
    end

    assert refused.(:too_large, Links.link(db, long, "b"))
    assert refused.(:too_large, Links.link(db, "a", long))
    assert refused.(:invalid_argument, Links.unlink(db, "", "b"))
    assert refused.(:invalid_argument, Links.get_linked(db, ""))
    assert refused.(:too_large, Links.partners(db, long))
    for i <- 1..32, do: assert(Links.link(db, "k", "#{i}") == :ok)
    assert refused.(:invalid_argument, Links.link(db, "k", "33"))
    assert_raise FunctionClauseError, fn -> Links.link(db, "a", :b) end
    assert_raise FunctionClauseError, fn -> Links.link(db, "a", "b", "strong") end
    assert_raise FunctionClauseError, fn -> Links.get_linked(db, ~c"k") end
    assert_raise Error, ~r/not found/, fn -> Links.get_linked!(db, "none") end
    assert_raise Error, ~r/not found/, fn -> Links.partners!(db, "none") end
    assert_raise Error, fn -> Links.link!(db, "a", "a") end
    assert_raise Error, fn -> Links.unlink!(db, "", "a") end
  end

  test "a handle that may only read refuses links and shows them" do
    path = tmp_path()
    db = Native.open!(path, shards: 2)
    Native.write!(db, [{:put, "a", "1"}, {:put, "b", "2"}])
    Links.link!(db, "a", "b")
    Native.close(db)
    db = Native.open!(path, read_only: true)
    assert {:error, %Error{reason: :read_only}} = Links.link(db, "b", "a")
    assert {:error, %Error{reason: :read_only}} = Links.unlink(db, "a", "b")
    assert Links.partners(db, "a") == {:ok, [{"b", 1.0}]}
    Native.close(db)
  end
end
