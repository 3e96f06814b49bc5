defmodule EnhancedADT.Ref do
  @moduledoc """
  Stands for a node of a linked structure that has not been loaded. `EnhancedADT.load/1` gives the
  node, and `fold` does so by itself.
  """

  @enforce_keys [:root, :generation, :node]
  defstruct [:root, :generation, :node]

  @type t :: %__MODULE__{root: term, generation: non_neg_integer, node: pos_integer}

  defmodule StaleError do
    @moduledoc """
    Raised when the structure that a reference belongs to was replaced or deleted meanwhile.
    """
    defexception [:ref]

    @impl true
    def message(%{ref: ref}) do
      "the structure #{inspect(ref.root)} was replaced or deleted after this reference was read"
    end
  end

  @doc """
  The node of a reference; anything else is itself.

      iex> EnhancedADT.Ref.force(1)
      1
  """
  @spec force(t | term) :: term
  def force(%__MODULE__{} = ref), do: EnhancedADT.Linked.load(ref)
  def force(value), do: value
end
