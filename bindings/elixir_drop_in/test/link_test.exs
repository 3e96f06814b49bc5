defmodule WarpEngine.LinkTest do
  use ExUnit.Case
  import WarpEngine.Support
  alias WarpEngine.{Associations, Key, QuantumIndex, Store}
  alias WarpEngine.Native.{Links, Placement}

  test "a get of a key brings what is linked to it, in the order of strength" do
    [a, b, c] = for name <- ~w(a b c), do: fresh(name)
    for key <- [a, b], do: WarpEngine.cosmic_put(key, key)
    assert {:ok, _} = WarpEngine.create_quantum_entanglement(a, [b], 0.9)
    assert {:ok, _} = WarpEngine.create_quantum_entanglement(a, [c], 0.4)
    assert Associations.partners(Store.get(), a) == [{b, 0.9}, {c, 0.4}]
    assert {:ok, answer} = WarpEngine.quantum_get(a)
    assert %{value: ^a, shard: :warm_data, quantum_data: data} = answer
    assert data.entangled_items == %{b => {:ok, b, :warm_data}, c => {:error, :not_found}}
    assert %{entangled_count: 2, efficiency: 0.5, access_pattern: :quantum_direct} = data
    # And the other way round.
    assert {:ok, %{quantum_data: %{entangled_items: %{^a => {:ok, ^a, _}}}}} =
             WarpEngine.quantum_get(b)

    assert WarpEngine.quantum_get(fresh("none")) == {:error, :not_found}
  end

  test "pattern rules apply to every key, and to no other" do
    id = System.unique_integer([:positive])
    WarpEngine.cosmic_put("user:#{id}", 1)
    WarpEngine.cosmic_put("profile:#{id}", 2)
    {:ok, %{quantum_data: data}} = WarpEngine.quantum_get("user:#{id}")

    assert data.entangled_items == %{
             "profile:#{id}" => {:ok, 2, :warm_data},
             "settings:#{id}" => {:error, :not_found},
             "sessions:#{id}" => {:error, :not_found}
           }

    WarpEngine.cosmic_put({:user, id}, 1)

    assert {:ok, %{quantum_data: %{entangled_count: 0, efficiency: 1.0}}} =
             WarpEngine.quantum_get({:user, id})

    with_config([entanglement_rules: [{"user:*", ["cart:*"]}]], fn ->
      {:ok, %{quantum_data: data}} = WarpEngine.quantum_get("user:#{id}")
      assert Map.keys(data.entangled_items) == ["cart:#{id}"]
    end)
  end

  test "options of a put" do
    [a, b] = [fresh("a"), fresh("b")]
    WarpEngine.cosmic_put(a, 1, entangled_with: [b], quantum_entanglement: false)
    assert Associations.partners(Store.get(), a) == []
    WarpEngine.cosmic_put(a, 1, entangled_with: [b])
    assert Associations.partners(Store.get(), a) == [{b, 1.0}]
  end

  test "the documented call with strength: 0.9 works, and what is no strength is refused" do
    assert {:ok, id} = WarpEngine.create_quantum_entanglement("k", ["l"], strength: 0.9)
    assert id == Base.encode16(:erlang.md5("k:l"), case: :lower)
    assert is_float(WarpEngine.quantum_entanglement_metrics().average_entanglement_strength)

    for bad <- [-0.5, 2.0, "1", [strength: 3], :high, [1]] do
      assert WarpEngine.create_quantum_entanglement("k", ["l"], bad) ==
               {:error, :invalid_parameters}
    end

    assert {:ok, _} = WarpEngine.create_quantum_entanglement("k", [])
  end

  test "metrics count what there is" do
    before = QuantumIndex.quantum_metrics()
    [a, b, c] = for name <- ~w(a b c), do: fresh(name)
    QuantumIndex.create_entanglement(a, [b, c], 0.5)
    now = QuantumIndex.quantum_metrics()
    assert now.total_entanglements == before.total_entanglements + 1
    assert now.total_quantum_relationships == before.total_quantum_relationships + 4

    WarpEngine.cosmic_put(a, 1)
    assert {:ok, 1, %{}, %{quantum_state: :collapsed}} = QuantumIndex.observe_quantum_data(a, %{})

    assert {:ok, 1, _, _} =
             QuantumIndex.observe_quantum_data(a, %{}, max_entangled: 1, min_strength: 0.2)

    assert QuantumIndex.quantum_metrics().collapsed_count == before.collapsed_count + 1

    assert %{observation_count: 2, quantum_state: :collapsed} =
             Associations.entanglement(Store.get(), a)

    QuantumIndex.remove_entanglement(a, [b])
    assert Associations.partners(Store.get(), b) == []
    QuantumIndex.remove_entanglement(a, :all)
    assert QuantumIndex.quantum_metrics() == before
  end

  test "links are bounded, the weakest go first" do
    hub = fresh("hub")
    for i <- 1..40, do: QuantumIndex.create_entanglement(hub, ["spoke:#{i}"], i / 100)
    strengths = for {_, strength} <- Associations.partners(Store.get(), hub), do: strength
    assert strengths == Enum.map(40..9, &(&1 / 100))
    # One that is weaker than all of them does not come in; the partner keeps its side.
    QuantumIndex.create_entanglement(hub, ["weak spoke"], 0.01)
    assert length(Associations.partners(Store.get(), hub)) == 32
    assert Associations.partners(Store.get(), "weak spoke") == [{hub, 0.01}]
    # A link that is there takes another strength.
    QuantumIndex.create_entanglement(hub, ["spoke:9"], 0.99)
    assert [{"spoke:9", 0.99} | _] = Associations.partners(Store.get(), hub)
  end

  test "any term is a partner, and the engine has the links" do
    [a, b] = [{:pair, System.unique_integer()}, fresh("b")]
    long = :binary.copy("long", 20_000)
    for key <- [a, b, long], do: WarpEngine.cosmic_put(key, :value)
    QuantumIndex.create_entanglement(b, [a, long], 0.5)
    {:ok, %{quantum_data: data}} = WarpEngine.quantum_get(b)
    assert data.entangled_items[a] == {:ok, :value, :warm_data}
    # A key that is kept by its hash is found, by its hash.
    assert data.entangled_items[Key.encode(long)] == {:ok, :value, :warm_data}
    ekey = Key.encode(a)
    assert {:ok, [{^b, bytes, 1.0}, {^ekey, _, 0.5} | _]} = Links.get_linked(Store.get().db, b)
    assert {:ok, _, :value, _} = WarpEngine.Record.decode(bytes)
  end

  test "a pattern rule is the engine's, one that a later configuration lacks goes" do
    db = fn -> Store.get().db end
    patterns = fn -> for rule <- Placement.rules!(db.()), do: rule.patterns end
    builtin = patterns.()
    assert ["user:*", "profile:*", "settings:*", "sessions:*"] in builtin
    refute Enum.any?(Placement.rules!(db.()), & &1.place)
    # One of somebody else's.
    Placement.add_rule!(db.(), ["theirs:*", "others:*"])

    with_config([entanglement_rules: [{"user:*", ["cart:*"]}], place_groups: true], fn ->
      assert patterns.() == [["theirs:*", "others:*"], ["user:*", "cart:*"]]
      assert Enum.all?(Placement.rules!(db.()), & &1.place)
      assert Placement.shard_of(db.(), "user:7") == Placement.shard_of(db.(), "cart:7")
    end)

    assert Enum.sort(patterns.()) == Enum.sort([["theirs:*", "others:*"] | builtin])
    Placement.remove_rule!(db.(), "theirs:*")
  end

  test "a target that two rules name is a partner by both" do
    for kind <- ["post", "article"] do
      key = fresh(kind)
      [_, id] = String.split(key, ":")
      WarpEngine.cosmic_put(key, 1)
      WarpEngine.cosmic_put("author:#{id}", 2)
      {:ok, %{quantum_data: data}} = WarpEngine.quantum_get(key)
      assert data.entangled_items["author:#{id}"] == {:ok, 2, :warm_data}
    end
  end

  test "rules that the engine cannot have are refused by name" do
    for rule <- [
          {"user", ["profile:*"]},
          {"user:*", ["profile"]},
          {"*:*", ["a:*"]},
          {"a:*", []},
          :a
        ] do
      assert {:error, {:refused_options, [entanglement_rules: text]}} =
               WarpEngine.Config.new(entanglement_rules: [rule])

      assert text =~ "one star"
    end
  end

  test "links made by many processes at once are all there, and there after a restart" do
    [hub | spokes] = for i <- 0..30, do: fresh("many#{i}")

    tasks =
      for spoke <- spokes,
          do: Task.async(fn -> QuantumIndex.create_entanglement(spoke, [hub], 0.5) end)

    Task.await_many(tasks)
    partners = Associations.partners(Store.get(), hub)
    assert Enum.sort(for {key, _} <- partners, do: key) == Enum.sort(spokes)
    {:ok, :restarted} = WarpEngine.Application.restart_universe()
    # Of equal strength, in any order.
    assert Enum.sort(Associations.partners(Store.get(), hub)) == Enum.sort(partners)
  end
end
