defmodule WarpEngine.Native.NativeTest do
  use ExUnit.Case, async: true
  import WarpEngine.Native.Support
  alias WarpEngine.Native
  alias WarpEngine.Native.Error

  @inline_get 262_144
  @inline_pin 65_536
  @inline_put 16_384
  @stack 4_096

  setup do
    db = Native.open!(:memory)
    on_exit(fn -> Native.close(db) end)
    {:ok, db: db}
  end

  test "values of every size that the binding treats apart come back", %{db: db} do
    edges = [
      0,
      1,
      63,
      64,
      65,
      @stack,
      @inline_put,
      @inline_pin,
      @inline_get,
      1_000_000,
      20_000_000
    ]

    for edge <- edges, size <- [edge - 1, edge, edge + 1], size >= 0 do
      value = random_bytes(size)
      assert Native.put(db, "key", value) == :ok
      assert Native.get(db, "key") == {:ok, value}
      assert Native.get(db, "key", zero_copy: true) == {:ok, value}
      assert Native.multi_get(db, ["key"]) == {:ok, [value]}
      assert Native.multi_get(db, ["key"], zero_copy: true) == {:ok, [value]}
      assert Native.exists?(db, "key")
    end
  end

  test "keys are any bytes, up to 65,535 of them", %{db: db} do
    keys = [
      <<0>>,
      <<0, 0>>,
      "a\0b",
      "a\0c",
      <<255, 254>>,
      <<0xC3, 0x28>>,
      "ключ",
      String.duplicate("k", 65_535)
    ]

    for {key, i} <- Enum.with_index(keys), do: :ok = Native.put(db, key, "#{i}")
    for {key, i} <- Enum.with_index(keys), do: assert(Native.get(db, key) == {:ok, "#{i}"})
    assert db |> Native.stream() |> Enum.map(&elem(&1, 0)) |> Enum.sort() == Enum.sort(keys)
  end

  test "what the engine refuses comes back with its reason and its text", %{db: db} do
    assert {:error, %Error{reason: :invalid_argument, status: -1} = error} =
             Native.put(db, "", "v")

    assert error.message =~ "key"
    assert {:error, %Error{reason: :invalid_argument}} = Native.get(db, "")
    assert {:error, %Error{reason: :invalid_argument}} = Native.delete(db, "")
    assert {:error, %Error{reason: :invalid_argument}} = Native.write(db, [{:put, "", "v"}])
    assert {:error, %Error{reason: :invalid_argument}} = Native.multi_get(db, ["a", ""])
    many = List.duplicate("a", 100) ++ [""]
    assert {:error, %Error{reason: :invalid_argument}} = Native.multi_get(db, many)

    long = String.duplicate("k", 65_536)
    assert {:error, %Error{reason: :too_large, status: -8}} = Native.put(db, long, "v")
    assert {:error, %Error{reason: :too_large}} = Native.get(db, long)
    assert {:error, %Error{reason: :too_large}} = Native.compare_and_swap(db, long, nil, "v")
    assert Native.stats!(db).keys == 0
  end

  test "the error that C makes is the struct that Elixir defines", %{db: db} do
    {:error, made} = Native.get(db, "")
    assert Map.keys(made) == Map.keys(%Error{})
    assert Exception.message(made) == made.message
  end

  test "arguments of another type raise", %{db: db} do
    assert_raise FunctionClauseError, fn -> Native.get(db, :key) end
    assert_raise FunctionClauseError, fn -> Native.get("no handle", "key") end
    assert_raise ArgumentError, fn -> Native.put(db, "key", :value) end
    assert_raise ArgumentError, fn -> Native.get(db, "key", zero_copi: true) end
    assert_raise ArgumentError, fn -> Native.multi_get(db, ["a", :b]) end
    assert_raise ArgumentError, fn -> Native.multi_get(db, List.duplicate("a", 50) ++ [:b]) end
    assert_raise ArgumentError, fn -> Native.multi_get(db, ["a" | "b"]) end
    assert_raise ArgumentError, fn -> Native.multi_get(%{db | ref: make_ref()}, ["a"]) end
    assert_raise ArgumentError, fn -> Native.stream(db, page_bytes: 0) end
    assert_raise ArgumentError, fn -> Native.stream(db, prefixx: "a") end
    assert_raise FunctionClauseError, fn -> Native.wait_durable(db, 1, -1) end
  end

  test "options that are not understood are refused with the engine's list" do
    for options <- [
          [shards: 0],
          [shards: 1025],
          [shards: "many"],
          [durability: :always],
          [memory_limit: "1T"],
          [nonsense: true],
          [shards: 1.5],
          [{"shards", 1}],
          [shards: "1\0"],
          [:shards]
        ] do
      assert {:error, %Error{reason: :invalid_argument}} = Native.open(:memory, options)
    end

    {:error, error} = Native.open(:memory, nonsense: true)
    assert error.message =~ "nonsense" and error.message =~ "durability"
    assert {:error, %Error{reason: :invalid_argument}} = Native.open("a\0b")
    assert_raise Error, fn -> Native.open!(:memory, nonsense: true) end
  end

  test "every durability answers alike" do
    for durability <- [:none, :process, :periodic, :sync] do
      db = Native.open!(:memory, durability: durability)
      assert Native.put(db, "k", "v") == :ok
      assert Native.compare_and_swap(db, "k", "v", "w") == :ok
      assert Native.write(db, [{:put, "x", "y"}]) == :ok
      assert Native.delete(db, "x") == :ok
      assert Native.delete(db, "x") == :not_found
      assert Native.get(db, "k") == {:ok, "w"}
      assert Native.close(db) == :ok
    end
  end

  test "values are iodata", %{db: db} do
    for value <- ["v", [], ["a", [?b | "c"]], [[[]], "x"], List.duplicate("ab", 20_000)] do
      assert Native.put(db, "k", value) == :ok
      assert Native.get(db, "k") == {:ok, IO.iodata_to_binary(value)}
      assert Native.compare_and_swap(db, "k", value, ["next", value]) == :ok
      assert Native.write(db, [{:put, "k", value}]) == :ok
      assert Native.get!(db, "k") == IO.iodata_to_binary(value)
    end
  end

  test "a hint changes no answer" do
    path = tmp_path()

    for where <- [:memory, path], durability <- [:process, :sync] do
      db = Native.open!(where, durability: durability, shards: 2)

      for hint <- [:hot, :warm, :cold], value <- ["v", ["io", ?d], random_bytes(100_000)] do
        assert Native.put(db, "k", value, hint: hint) == :ok
        assert Native.get!(db, "k") == IO.iodata_to_binary(value)
        assert Native.put!(db, "#{hint}", value, hint: hint) == :ok
      end

      assert Native.put(db, "k", "plain", []) == :ok
      assert {:error, %Error{reason: :invalid_argument}} = Native.put(db, "", "v", hint: :cold)
      long = String.duplicate("k", 65_536)
      assert {:error, %Error{reason: :too_large}} = Native.put(db, long, "v", hint: :hot)
      assert_raise ArgumentError, fn -> Native.put(db, "k", "v", hint: :lukewarm) end
      assert_raise ArgumentError, fn -> Native.put(db, "k", "v", cold: true) end
      assert_raise FunctionClauseError, fn -> Native.put(db, :k, "v", hint: :cold) end
      assert Native.close(db) == :ok
    end

    db = Native.open!(path)
    for hint <- [:hot, :warm, :cold], do: assert(byte_size(Native.get!(db, "#{hint}")) == 100_000)
    assert Native.get!(db, "k") == "plain"
    Native.close(db)
  end

  test "an empty value is a value", %{db: db} do
    assert Native.compare_and_swap(db, "k", "", "v") == :conflict
    assert Native.compare_and_swap(db, "k", nil, "") == :ok
    assert Native.get(db, "k") == {:ok, ""}
    assert Native.compare_and_swap(db, "k", nil, "v") == :conflict
    assert Native.compare_and_swap(db, "k", "", nil) == :ok
    assert Native.get(db, "k") == :not_found
  end

  test "multi_get of any number of keys keeps their order, duplicates included", %{db: db} do
    for i <- 1..2_000, rem(i, 3) != 0, do: Native.put(db, "#{i}", "value #{i}")
    value = &if(rem(&1, 3) == 0, do: nil, else: "value #{&1}")

    for n <- [0, 1, 15, 16, 17, 255, 256, 257, 1_999] do
      keys = Enum.shuffle(1..n//1)
      assert Native.multi_get(db, Enum.map(keys, &"#{&1}")) == {:ok, Enum.map(keys, value)}
    end

    assert Native.multi_get!(db, ["1", "1", "3", "1"]) == ["value 1", "value 1", nil, "value 1"]
  end

  test "a batch is written whole or not at all", %{db: db} do
    assert Native.write(db, []) == :ok
    assert {:error, _} = Native.write(db, [{:put, "a", "1"}, {:put, "", "2"}])
    assert Native.get(db, "a") == :not_found
    operations = for i <- 1..5_000, do: {:put, "key #{i}", "value #{i}"}
    assert Native.write(db, operations ++ [{:delete, "key 1"}, {:put, "key 2", "last"}]) == :ok
    assert Native.stats!(db).keys == 4_999
    assert Native.get!(db, "key 2") == "last"
    assert_raise FunctionClauseError, fn -> Native.write(db, [{:add, "k", "v"}]) end
  end

  test "streams page through everything, and through entries larger than a page", %{db: db} do
    pairs = Map.new(1..3_000, &{"s:#{&1}", String.duplicate("v", rem(&1, 200))})
    pairs = Map.put(pairs, "s:huge", String.duplicate("h", 300_000))
    for {key, value} <- pairs, do: Native.put(db, key, value)
    Native.put(db, "t:other", "x")

    for page_bytes <- [1, 100, 4_096, 65_536] do
      read = db |> Native.stream(prefix: "s:", page_bytes: page_bytes) |> Enum.to_list()
      assert length(read) == map_size(pairs)
      assert Map.new(read) == pairs
    end

    assert db |> Native.stream() |> Enum.count() == map_size(pairs) + 1
    assert db |> Native.stream(prefix: "none") |> Enum.to_list() == []
    assert db |> Native.stream(prefix: "s:") |> Enum.take(2) |> length() == 2
    stream = Native.stream(db, prefix: "t:")
    assert Enum.to_list(stream) == Enum.to_list(stream)
  end

  test "terms keep their type, and unsafe ones are refused when asked", %{db: db} do
    for term <- [nil, 1.5, {:a, "b"}, %{a: [1]}, self(), make_ref(), &String.upcase/1] do
      assert Native.put_term(db, "k", term) == :ok
      assert Native.get_term(db, "k") == {:ok, term}
    end

    # An atom that does not exist yet, in the external term format.
    name = "no_such_atom_#{System.unique_integer([:positive])}"
    Native.put(db, "k", <<131, 119, byte_size(name), name::binary>>)
    assert {:error, %Error{reason: :invalid_term}} = Native.get_term(db, "k", safe: true)
    assert_raise Error, fn -> Native.get_term!(db, "k", safe: true) end
    assert {:ok, atom} = Native.get_term(db, "k")
    assert Atom.to_string(atom) == name
    assert Native.get_term(db, "none") == :not_found
  end

  test "bang variants raise what the others answer", %{db: db} do
    assert_raise Error, ~r/not found: "none"/, fn -> Native.get!(db, "none") end
    assert_raise Error, fn -> Native.get_term!(db, "none") end
    assert_raise Error, fn -> Native.compare_and_swap!(db, "none", "x", "y") end
    Native.close(db)
    assert_raise Error, ~r/closed/, fn -> Native.exists?(db, "k") end
    assert_raise Error, ~r/closed/, fn -> Native.delete!(db, "k") end
    assert_raise Error, ~r/closed/, fn -> Native.stream(db) |> Enum.to_list() end
  end

  test "tokens become durable", %{db: db} do
    for i <- 1..100, do: Native.put!(db, "k#{i}", "v")
    token = Native.token!(db)
    assert Native.wait_durable(db, token) == :ok
    assert Native.durable?(db, token)
    assert Native.sync(db) == :ok
    assert Native.durable?(db, Native.token!(db)) in [true, false]
  end

  test "a handle says which database it is", %{db: db} do
    assert inspect(db) == "#WarpEngine.Native<:memory>"
    path = tmp_path()
    db = Native.open!(path)
    assert inspect(db) == "#WarpEngine.Native<#{inspect(path)}>"
    Native.close(db)
  end

  test "get_if_changed tells every value from every other, of all lengths" do
    db = Native.open!(:memory)
    assert Native.get_if_changed(db, "k", 0) == :not_found

    for size <- [0, 1, 4096, 4097, 300_000], reduce: 0 do
      known ->
        value = :binary.copy("v", size)
        :ok = Native.put(db, "k", value)
        assert {:ok, ^value, revision} = Native.get_if_changed(db, "k", known)
        assert revision != known
        assert Native.get_if_changed(db, "k", revision) == :unchanged
        # The same bytes again are another value; so they are after a delete.
        :ok = Native.put(db, "k", value)
        assert {:ok, ^value, again} = Native.get_if_changed(db, "k", revision)
        assert again != revision
        :ok = Native.delete(db, "k")
        assert Native.get_if_changed(db, "k", again) == :not_found
        :ok = Native.put(db, "k", value)
        assert {:ok, ^value, last} = Native.get_if_changed(db, "k", again)
        last
    end

    assert_raise ArgumentError, fn -> Native.get_if_changed(db, "k", -1) end
    assert_raise ArgumentError, fn -> Native.get_if_changed(db, "k", 0x1_0000_0000_0000_0000) end
    Native.close(db)
    assert {:error, %{reason: :closed}} = Native.get_if_changed(db, "k", 0)
  end

  test "get_unless tells every value from every other, of all lengths" do
    db = Native.open!(:memory)

    for size <- [0, 1, 626, 4_096, 4_097, 65_536, 262_144, 262_145] do
      value = random_bytes(size)
      Native.put!(db, "k", value)
      known? = size <= 262_144
      assert Native.get_unless(db, "k", value) == if(known?, do: :unchanged, else: {:ok, value})
      assert Native.get_unless(db, "k", value <> "x") == {:ok, value}

      if size > 0 do
        assert Native.get_unless(db, "k", binary_part(value, 0, size - 1)) == {:ok, value}
        <<first, rest::binary>> = value
        assert Native.get_unless(db, "k", <<rem(first + 1, 256), rest::binary>>) == {:ok, value}
      end
    end

    Native.delete(db, "k")
    assert Native.get_unless(db, "k", "") == :not_found
    Native.close(db)
    assert {:error, %{reason: :closed}} = Native.get_unless(db, "k", "")
  end
end
