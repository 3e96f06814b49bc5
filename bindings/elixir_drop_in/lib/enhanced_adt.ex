defmodule EnhancedADT do
  @moduledoc """
  Algebraic data types, folds and unfolds, and their place in the database.

      defmodule Shop do
        use EnhancedADT

        defproduct Customer do
          field id :: String.t()
          field tier :: atom(), physics: :spacetime_shard_hint
          field city :: String.t(), physics: :quantum_entanglement_group
        end

        defsum Tree do
          variant Leaf
          variant Node, value :: integer(), left :: rec(Tree), right :: rec(Tree)
        end

        def sum(tree) do
          fold tree do
            %Tree.Leaf{} -> 0
            %Tree.Node{value: value, left: left, right: right} -> left + value + right
          end
        end

        def build(depth) do
          bend from: depth, network_analysis: false do
            0 -> Tree.Leaf.new()
            n -> Tree.Node.new(n, fork(n - 1), fork(n - 1))
          end
        end
      end

      Shop.sum(Shop.build(3))        #=> 11

  What each does stands in `EnhancedADT.Product`, `EnhancedADT.Sum`, `EnhancedADT.Fold` and
  `EnhancedADT.Bend`; how structures are stored in `EnhancedADT.Linked` and
  `EnhancedADT.WarpEngineIntegration.Translators`. `ADT.md` is the guide.
  """

  alias EnhancedADT.{Bend, Fold, Linked, Product, Ref, Sum}

  @doc false
  defmacro __using__(_options) do
    quote do
      import EnhancedADT,
        only: [defproduct: 2, defsum: 2, fold: 2, fold: 3, bend: 2, fork: 1, rec: 1]

      Module.register_attribute(__MODULE__, :__adts__, accumulate: true)
      @before_compile EnhancedADT
    end
  end

  @doc false
  defmacro __before_compile__(env) do
    adts = env.module |> Module.get_attribute(:__adts__, []) |> Enum.reverse()

    quote do
      @doc false
      def __adt_optimization_metadata__ do
        %{
          optimization_level: :standard,
          adts: unquote(adts),
          compile_time: unquote(System.system_time(:millisecond))
        }
      end
    end
  end

  @doc """
  A product type: a struct with the fields of the block. See `EnhancedADT.Product`.
  """
  defmacro defproduct(name, do: block), do: Product.define(name, block, __CALLER__)

  @doc """
  A sum type: a struct for each variant of the block. See `EnhancedADT.Sum`.
  """
  defmacro defsum(name, do: block), do: Sum.define(name, block, __CALLER__)

  @doc """
  Folds a structure. See `EnhancedADT.Fold`.
  """
  defmacro fold(value, options) do
    {clauses, options} = Keyword.pop!(options, :do)
    Fold.expand(value, options, clauses, __CALLER__)
  end

  @doc """
  Folds a structure, with options. See `EnhancedADT.Fold`.
  """
  defmacro fold(value, options, do: clauses), do: Fold.expand(value, options, clauses, __CALLER__)

  @doc """
  Unfolds a seed into a structure. See `EnhancedADT.Bend`.
  """
  defmacro bend(options, do: clauses), do: Bend.expand(options, clauses, __CALLER__)

  @doc """
  In a body of `bend`, what the seed grows into. Anywhere else, the seed.

      iex> EnhancedADT.fork(7)
      7
  """
  @spec fork(seed) :: seed when seed: term
  def fork(seed), do: seed

  @doc """
  In the type of a field, marks it as recursive. As a value, a mark.

      iex> EnhancedADT.rec(:Tree)
      {:recursive_reference, :Tree}
  """
  @spec rec(term) :: {:recursive_reference, term}
  def rec(name), do: {:recursive_reference, name}

  @doc """
  What a reference stands for; anything else is itself. See `EnhancedADT.Linked`.

      iex> EnhancedADT.load(:no_reference)
      :no_reference
  """
  @spec load(Ref.t() | term) :: term
  def load(%Ref{} = ref), do: Linked.load(ref)
  def load(value), do: value

  @doc """
  A structure with all its references loaded.

      iex> EnhancedADT.load_all([1, 2])
      [1, 2]
  """
  @spec load_all(term) :: term
  def load_all(value), do: EnhancedADT.Structure.map_children(load(value), &load_all/1)
end
