defmodule WarpEngine.Native.Answer do
  @moduledoc false
  # What the public modules share: the reference behind a handle or a name, and the bare value of
  # an answer.

  alias WarpEngine.Native.{Error, Server}

  # The struct by its name alone: WarpEngine.Native needs this module when it is compiled.
  @spec ref(WarpEngine.Native.db()) :: reference
  def ref(%{__struct__: WarpEngine.Native, ref: ref}), do: ref
  def ref(name) when is_atom(name), do: Server.handle!(name).ref

  @spec value!(term, WarpEngine.Native.key() | nil) :: term
  def value!(answer, key \\ nil)
  def value!(:ok, _key), do: :ok
  def value!({:ok, value}, _key), do: value
  def value!({:error, error}, _key), do: raise(error)
  def value!(answer, _key) when is_boolean(answer), do: answer

  def value!(:not_found, key),
    do: raise(Error.new(:not_found, "key not found: #{inspect(key)}", 1))

  def value!(:conflict, key) do
    raise Error.new(:conflict, "another value was there: #{inspect(key)}", 3)
  end
end
