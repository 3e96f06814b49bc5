defmodule Shop do
  @moduledoc false
  use EnhancedADT

  defproduct Customer do
    field id :: String.t()
    field tier :: atom(), physics: :spacetime_shard_hint
    field city :: String.t(), physics: :quantum_entanglement_group
    field pull, physics: :quantum_entanglement_potential
    field weight, physics: :gravitational_mass, physics_offload: :cast
  end

  defproduct Box do
    content
  end

  defproduct Pair do
    field left :: integer()
    field right
  end

  defsum Status do
    variant New
    variant Paid, amount, currency
    variant Sent, address
  end

  defsum Tree do
    variant Leaf
    variant Node, value :: integer(), left :: rec(Tree), right :: rec(Tree)
  end

  # The same name in two sums: namespaced.
  defsum Other do
    variant Leaf, text
  end

  # Two types that go into each other, a list of children, and one that may be missing.
  defsum Expr do
    variant Number, value :: integer()
    variant Sum, terms :: [rec(Expr)]
    variant Block, body :: rec(Stmt)
  end

  defsum Stmt do
    variant Return, expr :: rec(Expr)
    variant Then, expr :: rec(Expr), next :: rec(Stmt) | nil
  end

  # A product that recurs.
  defproduct Person do
    field name :: String.t()
    field friends :: [rec(Person)]
  end

  def sum(tree) do
    fold tree do
      %Tree.Leaf{} -> 0
      %Tree.Node{value: value, left: left, right: right} -> left + value + right
    end
  end

  def sum_of_maps(tree) do
    fold tree, of: Tree do
      %{__variant__: :Leaf} -> 0
      %{__variant__: :Node, value: value, left: left, right: right} -> left + value + right
    end
  end

  def depth(tree) do
    fold tree, state: depth = 0 do
      %Tree.Leaf{} -> depth
      %Tree.Node{left: left, right: right} -> max(left.(depth + 1), right.(depth + 1))
    end
  end

  def named_state(tree) do
    fold tree, state: 10 do
      %Tree.Leaf{} -> state
      %Tree.Node{left: left} -> left.(state + 1)
    end
  end

  # The node as a whole: its children are children, not results.
  def insert(tree, new) do
    fold tree do
      %Tree.Leaf{} -> Tree.Node.new(new, Tree.Leaf.new(), Tree.Leaf.new())
      %Tree.Node{value: value} = node when value > new -> %{node | left: insert(node.left, new)}
      %Tree.Node{} = node -> %{node | right: insert(node.right, new)}
    end
  end

  def leftmost(tree) do
    fold tree do
      %Tree.Node{value: value, left: %Tree.Leaf{}} -> value
      %Tree.Node{left: left} -> left
      _ -> :none
    end
  end

  # How far down it is to the left: one child of each node is visited.
  def leftmost_loaded(tree) do
    fold tree do
      %Tree.Leaf{} -> 0
      %Tree.Node{left: left} -> 1 + left
    end
  end

  def build(depth) do
    bend from: depth, network_analysis: false do
      0 -> Tree.Leaf.new()
      n -> Tree.Node.new(n, fork(n - 1), fork(n - 1))
    end
  end

  def analysed(depth) do
    bend from: depth do
      0 -> Tree.Leaf.new()
      n -> Tree.Node.new(n, fork(n - 1), fork(n - 1))
    end
  end

  def inner_bend(n) do
    bend from: {:outer, n}, network_analysis: false do
      {:outer, 0} ->
        []

      {:outer, n} ->
        inner =
          bend from: n, network_analysis: false do
            0 -> [:end]
            m -> [m | fork(m - 1)]
          end

        [inner | fork({:outer, n - 1})]
    end
  end

  def eval(expr) do
    fold expr do
      %Expr.Number{value: value} -> value
      %Expr.Sum{terms: terms} -> Enum.sum(terms)
      %Expr.Block{body: body} -> body
      %Stmt.Return{expr: expr} -> expr
      %Stmt.Then{expr: expr, next: nil} -> expr
      %Stmt.Then{expr: expr, next: next} -> if next == nil, do: expr, else: next
    end
  end

  def count_people(person) do
    fold person do
      %Person{friends: friends} -> 1 + Enum.sum(friends)
    end
  end

  # As the original's programs have it: a case over maps, with a recursion of its own.
  def by_hand(%{} = tree) do
    fold tree do
      %{__variant__: :MapLeaf} -> 0
      %{__variant__: :MapNode, value: v, left: l, right: r} -> by_hand(l) + v + by_hand(r)
    end
  end

  def plain(value) do
    fold value, physics: :any, mode: :fast do
      0 -> :zero
      n when n > 0 -> :positive
      _ -> :negative
    end
  end
end
