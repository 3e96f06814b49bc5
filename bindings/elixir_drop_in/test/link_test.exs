defmodule WarpEngine.LinkTest do
  use ExUnit.Case
  import WarpEngine.Support
  alias WarpEngine.{Associations, QuantumIndex, Store}

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
    with_config([max_links: 5], fn ->
      hub = fresh("hub")
      for i <- 1..10, do: QuantumIndex.create_entanglement(hub, ["spoke:#{i}"], i / 10)
      strengths = for {_, strength} <- Associations.partners(Store.get(), hub), do: strength
      assert strengths == [1.0, 0.9, 0.8, 0.7, 0.6]
    end)
  end

  test "links made by many processes at once are all there, and there after a restart" do
    [hub | spokes] = for i <- 0..40, do: fresh("many#{i}")

    tasks =
      for spoke <- spokes,
          do: Task.async(fn -> QuantumIndex.create_entanglement(spoke, [hub], 0.5) end)

    Task.await_many(tasks)
    partners = Associations.partners(Store.get(), hub)
    assert Enum.sort(for {key, _} <- partners, do: key) == Enum.sort(spokes)
    {:ok, :restarted} = WarpEngine.Application.restart_universe()
    assert Associations.partners(Store.get(), hub) == partners
  end
end
