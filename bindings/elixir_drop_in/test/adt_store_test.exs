defmodule EnhancedADT.StoreTest do
  use ExUnit.Case
  import WarpEngine.Support
  alias EnhancedADT.{Linked, Ref}
  alias EnhancedADT.WarpEngineIntegration.Translators
  alias Shop.{Customer, Person, Tree}
  alias WarpEngine.{Native, Store}

  test "values come back as the same structs" do
    for value <- [Customer.new("c", :hot, "Oslo", 0.5, 1), Tree.Leaf.new(), Shop.build(4)] do
      key = fresh("adt")
      assert {:ok, :stored, _, _} = WarpEngine.cosmic_put(key, value)
      assert {:ok, ^value, _, _} = WarpEngine.cosmic_get(key)
    end
  end

  test "annotations place the value and link it with its group" do
    city = fresh("city")
    [a, b] = [fresh("resident"), fresh("resident")]

    assert {:ok, :stored, :hot_data, _} =
             Translators.cosmic_put_from_adt(a, Customer.new("a", :hot, city, 0.7, 3))

    assert {:ok, :stored, :cold_data, _} =
             Translators.cosmic_put_from_adt(b, Customer.new("b", :cold, city, 0.7, 3))

    assert {:ok, %Customer{id: "a"}, :hot_data, _} = WarpEngine.cosmic_get(a)
    assert {:ok, %{quantum_data: data}} = WarpEngine.quantum_get(b)
    assert %{^a => {:ok, %Customer{id: "a"}, :hot_data}} = data.entangled_items
    assert WarpEngine.Associations.partners(Store.get(), a) == [{b, 0.7}]
  end

  test "a batch is put at once" do
    pairs = for i <- 1..10, do: {fresh("batch"), Customer.new("#{i}", :cold, nil, 0.5, 1)}
    answers = Translators.batch_operations_from_adt(pairs)
    assert Enum.all?(answers, &match?({:ok, :stored, :cold_data, _}, &1))

    for {key, value} <- pairs,
        do: assert({:ok, ^value, :cold_data, _} = WarpEngine.cosmic_get(key))
  end

  test "a get checks the type" do
    key = fresh("typed")
    WarpEngine.cosmic_put(key, Tree.Leaf.new())
    assert {:ok, %Tree.Leaf{}, _, _} = Translators.cosmic_get_for_adt(key, Tree)
    assert {:ok, %Tree.Leaf{}, _, _} = Translators.cosmic_get_for_adt(key, Tree.Leaf)
    assert {:error, {:not_a, Customer}, _} = Translators.cosmic_get_for_adt(key, Customer)
    assert {:error, :not_found, _} = Translators.cosmic_get_for_adt(fresh("none"), Tree)
  end

  test "a linked structure is loaded node by node" do
    key = fresh("linked")
    tree = Shop.build(5)
    assert {:ok, :stored, :hot_data, _} = Linked.put(key, tree, access_pattern: :hot)

    assert {:ok, %Tree.Node{value: 5, left: %Ref{} = left}, :hot_data, _} =
             WarpEngine.cosmic_get(key)

    assert %Tree.Node{value: 4, left: %Ref{}} = EnhancedADT.load(left)
    {:ok, root, _, _} = WarpEngine.cosmic_get(key)
    assert EnhancedADT.load_all(root) == tree
    assert Shop.sum(root) == Shop.sum(tree)
    assert {:ok, ^tree, _, _} = Translators.cosmic_get_for_adt(key, Tree, load: true)
  end

  test "a fold loads what it visits, and nothing else" do
    key = fresh("lazy")
    Linked.put(key, Shop.build(10))
    {:ok, root, _, _} = WarpEngine.cosmic_get(key)
    before = Native.stats!(Store.get().db).gets
    assert Shop.leftmost_loaded(root) == 10
    assert Native.stats!(Store.get().db).gets - before <= 12
  end

  test "replacing and deleting leave nothing behind, and references know" do
    key = fresh("replaced")
    before = Native.stats!(Store.get().db).keys
    Linked.put(key, Shop.build(6))
    {:ok, %{left: ref}, _, _} = WarpEngine.cosmic_get(key)
    assert Native.stats!(Store.get().db).keys == before + 127
    Linked.put(key, Shop.build(2))
    assert Native.stats!(Store.get().db).keys == before + 7
    assert_raise Ref.StaleError, fn -> EnhancedADT.load(ref) end
    assert Linked.delete(key) == :ok
    assert Native.stats!(Store.get().db).keys == before
    assert {:error, :not_found, _} = WarpEngine.cosmic_get(key)
  end

  test "a structure that was loaded in part is stored whole" do
    key = fresh("again")
    Linked.put(key, Shop.build(3))
    {:ok, root, _, _} = WarpEngine.cosmic_get(key)
    Linked.put(key, %{root | value: 100})
    {:ok, root, _, _} = WarpEngine.cosmic_get(key)
    assert Shop.sum(root) == 100 + 8
  end

  test "lists of children are linked too" do
    key = fresh("people")
    person = Person.new("a", [Person.new("b", []), Person.new("c", [Person.new("d", [])])])
    Translators.cosmic_put_from_adt(key, person, linked: true)
    {:ok, root, _, _} = WarpEngine.cosmic_get(key)
    assert [%Ref{}, %Ref{}] = root.friends
    assert Shop.count_people(root) == 4
  end
end
