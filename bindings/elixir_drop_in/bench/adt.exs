# Construct-and-fold operations a second on one core, beside the original's own 4.4 million:
#
#     MIX_ENV=prod mix run bench/adt.exs

Code.require_file("support.exs", __DIR__)

defmodule BenchTypes do
  use EnhancedADT

  defproduct Customer do
    field id :: String.t()
    field name :: String.t()
    field tier :: atom(), physics: :spacetime_shard_hint
    field score :: float(), physics: :gravitational_mass
  end

  defsum Tree do
    variant Leaf
    variant Node, value :: integer(), left :: rec(Tree), right :: rec(Tree)
  end

  defsum Event do
    variant Created, id, at
    variant Changed, id, field, value
    variant Deleted, id
  end

  def product(n) do
    fold Customer.new("id", "name", :hot, n) do
      %Customer{tier: :hot, score: score} -> score + 1
      %Customer{score: score} -> score
    end
  end

  def variant(n) do
    fold event(n) do
      %Event.Created{at: at} -> at
      %Event.Changed{value: value} -> value
      %Event.Deleted{id: id} -> id
    end
  end

  defp event(n) when rem(n, 3) == 0, do: Event.Created.new(n, 1)
  defp event(n) when rem(n, 3) == 1, do: Event.Changed.new(n, :name, n)
  defp event(n), do: Event.Deleted.new(n)

  def build(depth) do
    bend from: depth, network_analysis: false do
      0 -> Tree.Leaf.new()
      n -> Tree.Node.new(n, fork(n - 1), fork(n - 1))
    end
  end

  def sum(tree) do
    fold tree do
      %Tree.Leaf{} -> 0
      %Tree.Node{value: value, left: left, right: right} -> left + value + right
    end
  end
end

defmodule BenchADT do
  @depth 10
  @nodes 2 ** (@depth + 1) - 1

  def run do
    IO.puts("#{Bench.machine()}; one process\n")
    Bench.row(["construct and fold", "ops/s", "ns", "original"])
    measure("a product", 1, 20_000, &BenchTypes.product/1)
    measure("a variant", 1, 20_000, &BenchTypes.variant/1)

    measure("a tree of #{@nodes}, each node", @nodes, 20, fn _ ->
      BenchTypes.sum(BenchTypes.build(@depth))
    end)
  end

  defp measure(label, operations, count, fun) do
    ns =
      Enum.min(for _ <- 1..50, do: Bench.elapsed(fn -> repeat(fun, count) end)) /
        (count * operations)

    Bench.row([label, Bench.rate(1.0e9 / ns), Bench.number(ns), "4.40 M"])
  end

  defp repeat(_fun, 0), do: :ok

  defp repeat(fun, n) do
    fun.(n)
    repeat(fun, n - 1)
  end
end

Bench.on_database(nil, &BenchADT.run/0)
