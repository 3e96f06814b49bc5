defmodule EnhancedADTTest do
  use ExUnit.Case
  alias Shop.{Box, Customer, Expr, Other, Pair, Person, Status, Stmt, Tree}

  describe "products" do
    test "are structs with all keys enforced" do
      customer = Customer.new("c1", :hot, "Oslo", 0.9, 2.0)
      assert %Customer{id: "c1", tier: :hot, city: "Oslo"} = customer
      assert %Customer{id: "c2", tier: nil} = Customer.new(id: "c2")

      assert_raise ArgumentError, ~r/must also be given/, fn ->
        Code.eval_string("%Shop.Pair{left: 1}")
      end
    end

    test "of one field take its value or its name" do
      assert %Box{content: 7} = Box.new(7)
      assert %Box{content: 7} = Box.new(content: 7)
      assert %Box{content: [other: 7]} = Box.new(other: 7)
    end

    test "tell about their fields" do
      assert Customer.__adt_type__() == :product

      assert [
               %{name: :id, physics: nil, type: type},
               %{name: :tier, physics: :spacetime_shard_hint} | _
             ] = Customer.__adt_field_specs__()

      assert Macro.to_string(type) == "String.t()"
      assert Customer.__adt_physics_config__().weight == :gravitational_mass
      assert Customer.__adt_physics_offload__() == %{weight: :cast}
      assert Pair.__adt_destructure__(Pair.__adt_pattern_match__(1, 2)) == {1, 2}

      assert Customer.extract_physics_context(Customer.new("c", :odd, "Oslo", 7, "x")) == %{
               spacetime_shard_hint: :warm,
               quantum_entanglement_group: "Oslo",
               quantum_entanglement_potential: 1.0,
               gravitational_mass: 1.0
             }
    end
  end

  describe "sums" do
    test "have namespaced variants" do
      assert %Tree.Leaf{__variant__: :Leaf} = Tree.Leaf.new()
      assert %Other.Leaf{__variant__: :Leaf, text: "x"} = Other.Leaf.new("x")
      refute Code.ensure_loaded?(:Leaf)
    end

    test "have constructors by the variants' names" do
      assert Status."New"() == Status.New.new()
      assert Status."Paid"(5, "EUR") == %Status.Paid{amount: 5, currency: "EUR"}
    end

    test "know their variants" do
      assert Status.is_variant?(Status.New.new())
      assert Status.is_variant?(%{__variant__: :Paid})
      refute Status.is_variant?(%{__variant__: :Leaf})
      refute Status.is_variant?(1)
      assert Status.get_variant(Status.Sent.new("here")) == :Sent
      assert Status.get_variant(:other) == nil

      assert Status.__adt_variants__() == [
               %{name: :New, fields: []},
               %{
                 name: :Paid,
                 fields: [%{name: :amount, type: :any}, %{name: :currency, type: :any}]
               },
               %{name: :Sent, fields: [%{name: :address, type: :any}]}
             ]

      topology = Status.__adt_wormhole_topology__()
      assert topology.variant_count == 3
      assert length(topology.wormhole_connections) == 2
    end

    test "have typed fields" do
      assert Map.keys(Tree.Node.new(1, 2, 3)) == [
               :__struct__,
               :__variant__,
               :left,
               :right,
               :value
             ]

      assert %{fields: [%{name: :value, type: type} | _]} = Enum.at(Tree.__adt_variants__(), 1)
      assert Macro.to_string(type) == "integer()"
    end

    test "are mentioned by the module that has them" do
      adts = Shop.__adt_optimization_metadata__().adts
      assert Tree in adts and Customer in adts
    end
  end

  describe "fold" do
    test "goes through recursive fields" do
      assert Shop.sum(Tree.Leaf.new()) == 0
      assert Shop.sum(Shop.build(3)) == 3 + 2 * 2 + 4 * 1
      assert Shop.sum_of_maps(Shop.build(3)) == 11
    end

    test "is deep without a stack" do
      chain = Enum.reduce(1..200_000, Tree.Leaf.new(), &Tree.Node.new(&1, &2, Tree.Leaf.new()))
      assert Shop.sum(chain) == 200_000 * 200_001 / 2
    end

    test "carries a state down" do
      assert Shop.depth(Shop.build(5)) == 5
      assert Shop.named_state(Shop.build(5)) == 15
    end

    test "gives the node as a whole, and asks what a child is" do
      assert Shop.leftmost(Shop.build(3)) == 1
      assert Shop.leftmost(Tree.Leaf.new()) == :none
      tree = Shop.insert(Shop.insert(Tree.Leaf.new(), 5), 3)
      assert %Tree.Node{value: 5, left: %Tree.Node{value: 3}} = tree
    end

    test "goes through types that go into each other, lists, and what may be missing" do
      assert Shop.eval(
               Expr.Sum.new([
                 Expr.Number.new(1),
                 Expr.Block.new(
                   Stmt.Then.new(Expr.Number.new(7), Stmt.Return.new(Expr.Number.new(2)))
                 ),
                 Expr.Block.new(Stmt.Then.new(Expr.Number.new(4), nil))
               ])
             ) == 1 + 2 + 4

      person = Person.new("a", [Person.new("b", []), Person.new("c", [Person.new("d", [])])])
      assert Shop.count_people(person) == 4
    end

    test "of anything else is a case, as in the original" do
      assert Enum.map([0, 5, -5], &Shop.plain/1) == [:zero, :positive, :negative]
      leaf = %{__variant__: :MapLeaf}
      assert Shop.by_hand(%{__variant__: :MapNode, value: 1, left: leaf, right: leaf}) == 1
    end
  end

  describe "a fold that is not compiled" do
    defp compile_error(body) do
      code = """
      defmodule BadFold#{System.unique_integer([:positive])} do
        use EnhancedADT
        alias Shop.{Expr, Stmt, Tree, Status}
        def run(value), do: #{body}
      end
      """

      assert_raise(CompileError, fn -> Code.compile_string(code) end).description
    end

    test "misses a variant" do
      assert compile_error("fold(value, do: (%Tree.Leaf{} -> 0))") =~
               "not exhaustive, it has no clause that takes every: Shop.Tree.Node"
    end

    test "has the variant only under a condition" do
      assert compile_error("fold(value, do: (%Tree.Leaf{} -> 0; %Tree.Node{value: 1} -> 1))") =~
               "Shop.Tree.Node"

      assert compile_error(
               "fold(value, do: (%Tree.Leaf{} -> 0; %Tree.Node{value: v} when v > 1 -> 1))"
             ) =~
               "Shop.Tree.Node"
    end

    test "misses a variant of a type that it goes on to" do
      error =
        compile_error(
          "fold(value, do: (%Expr.Number{} -> 0; %Expr.Sum{} -> 0; %Expr.Block{body: b} -> b; %Stmt.Return{} -> 0))"
        )

      assert error =~ "Shop.Stmt.Then"
    end

    test "uses a result in a guard" do
      assert compile_error(
               "fold(value, do: (%Tree.Leaf{} -> 0; %Tree.Node{left: l} when l > 1 -> l; _ -> 0))"
             ) =~
               "the guard uses l"
    end

    test "has an unknown option, or a sum that is none" do
      assert compile_error("fold(value, statte: 1, do: (_ -> 0))") =~ "no option :statte"
      assert compile_error("fold(value, of: String, do: (_ -> 0))") =~ "of: String is no sum type"
    end

    test "a declaration that is none says so" do
      for {code, text} <- [
            {"defproduct(P, do: (field(a); field(a)))", "the field a is declared twice"},
            {"defproduct(P, do: field(1 + 1))", "a field is `name` or `name :: type`"},
            {"defsum(S, do: (variant(A); variant(A)))", "the variant A is declared twice"},
            {"defsum(S, do: field(a))", "a sum has lines"},
            {"def f(x), do: bend([seed: x], do: (_ -> 1))", "bend needs a seed"}
          ] do
        code =
          "defmodule Bad#{System.unique_integer([:positive])} do\nuse EnhancedADT\n#{code}\nend"

        assert assert_raise(CompileError, fn -> Code.compile_string(code) end).description =~ text
      end
    end

    test "a bare name that several sums have needs `of:`" do
      code = """
      defmodule Ambiguous do
        use EnhancedADT
        defsum(A, do: variant(Same))
        defsum(B, do: variant(Same))
        def run(x), do: fold(x, do: (%{__variant__: :Same} -> 1))
      end
      """

      assert assert_raise(CompileError, fn -> Code.compile_string(code) end).description =~
               "say which with `of:`"
    end
  end

  describe "bend" do
    test "unfolds a seed" do
      assert Shop.sum(Shop.build(10)) == Enum.sum(for n <- 1..10, do: n * 2 ** (10 - n))
    end

    test "measures what it has built" do
      assert {tree,
              %{wormhole_connections: connections, network_analysis: :performance_optimized}} =
               Shop.analysed(2)

      assert Shop.sum(tree) == 4

      # 2 nodes below the root, 4 leaves below those.
      assert [
               %{source: :Node, target: :Leaf, strength: leaf},
               %{source: :Node, target: :Node, strength: node}
             ] = connections

      assert_in_delta leaf, 4 / 6, 1.0e-9
      assert_in_delta node, 2 / 6, 1.0e-9
    end

    test "in a bend is by itself" do
      assert Shop.inner_bend(2) == [[2, 1, :end], [1, :end]]
    end

    test "rec and fork are values elsewhere" do
      assert EnhancedADT.rec(:Tree) == {:recursive_reference, :Tree}
      assert EnhancedADT.fork(1) == 1
    end
  end
end
