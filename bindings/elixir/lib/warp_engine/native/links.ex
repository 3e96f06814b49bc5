defmodule WarpEngine.Native.Links do
  @moduledoc """
  Links: keys that are read together.

      iex> alias WarpEngine.Native
      iex> alias WarpEngine.Native.Links
      iex> db = Native.open!(:memory)
      iex> Native.write(db, [{:put, "order:7", "open"}, {:put, "customer:3", "Ada"}])
      iex> Links.link(db, "order:7", "customer:3")
      :ok
      iex> Links.get_linked(db, "order:7")
      {:ok, [{"order:7", "open", 1.0}, {"customer:3", "Ada", 1.0}]}

  The partners of a key are, in this order: the keys linked to it by `link/4`, the strongest first;
  the other keys of its group, where a rule links them (`WarpEngine.Native.Placement`); and, with
  the option `learn_links: true`, those that were read after it again and again. A key has up to 32.
  With the option `prefetch_links: true`, a get of a key starts the loads of its partners and does
  not wait for them.

  Links go in one direction, from the key that is read first. Those made here are part of the
  database, and as durable as a put. All calls run on dirty I/O schedulers.
  """

  import WarpEngine.Native.Answer
  alias WarpEngine.Native
  alias WarpEngine.Native.Nif

  @typedoc "How strong a link is, above 0, up to 1. Kept in single precision."
  @type strength :: number

  @doc """
  Links `from` to `to`, or changes how strong the link is. Neither key need exist.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Links.link(db, "user:1", "profile:1", 0.5)
      :ok
      iex> {:error, error} = WarpEngine.Native.Links.link(db, "user:1", "profile:1", 2)
      iex> error.reason
      :invalid_argument
  """
  @spec link(Native.db(), Native.key(), Native.key(), strength) :: :ok | Native.error()
  def link(db, from, to, strength \\ 1.0)
      when is_binary(from) and is_binary(to) and is_number(strength) do
    Nif.link(ref(db), from, to, strength * 1.0)
  end

  @doc """
  `link/4` that raises.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Links.link!(db, "user:1", "profile:1")
      :ok
  """
  @spec link!(Native.db(), Native.key(), Native.key(), strength) :: :ok
  def link!(db, from, to, strength \\ 1.0), do: value!(link(db, from, to, strength))

  @doc """
  Takes a link of `link/4` away.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Links.link(db, "user:1", "profile:1")
      iex> WarpEngine.Native.Links.unlink(db, "user:1", "profile:1")
      :ok
      iex> WarpEngine.Native.Links.unlink(db, "user:1", "profile:1")
      :not_found
  """
  @spec unlink(Native.db(), Native.key(), Native.key()) :: :ok | :not_found | Native.error()
  def unlink(db, from, to) when is_binary(from) and is_binary(to) do
    Nif.unlink(ref(db), from, to)
  end

  @doc """
  `unlink/3` that raises errors. That there was no such link is none.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Links.unlink!(db, "user:1", "profile:1")
      :not_found
  """
  @spec unlink!(Native.db(), Native.key(), Native.key()) :: :ok | :not_found
  def unlink!(db, from, to) do
    with {:error, error} <- unlink(db, from, to), do: raise(error)
  end

  @doc """
  A key's value and those of its partners in one call, their latencies overlapped: the key itself
  first, with a strength of 1, then the partners that exist.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.write(db, [{:put, "user:1", "Ada"}, {:put, "posts:1", "12"}])
      iex> WarpEngine.Native.Links.link(db, "user:1", "posts:1", 0.25)
      iex> WarpEngine.Native.Links.link(db, "user:1", "photo:1", 0.5)
      iex> WarpEngine.Native.Links.get_linked(db, "user:1")
      {:ok, [{"user:1", "Ada", 1.0}, {"posts:1", "12", 0.25}]}
      iex> WarpEngine.Native.Links.get_linked(db, "photo:1")
      :not_found
  """
  @spec get_linked(Native.db(), Native.key()) ::
          {:ok, [{Native.key(), Native.value(), float}]} | :not_found | Native.error()
  def get_linked(db, key) when is_binary(key), do: Nif.get_linked(ref(db), key, true)

  @doc """
  `get_linked/2` that gives the bare list, and raises when there is no such key.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "user:1", "Ada")
      iex> WarpEngine.Native.Links.get_linked!(db, "user:1")
      [{"user:1", "Ada", 1.0}]
  """
  @spec get_linked!(Native.db(), Native.key()) :: [{Native.key(), Native.value(), float}]
  def get_linked!(db, key), do: value!(get_linked(db, key), key)

  @doc """
  The partners of a key that exist, with the strengths of their links, and without their values.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.write(db, [{:put, "user:1", "Ada"}, {:put, "posts:1", "12"}])
      iex> WarpEngine.Native.Links.link(db, "user:1", "posts:1", 0.25)
      iex> WarpEngine.Native.Links.partners(db, "user:1")
      {:ok, [{"posts:1", 0.25}]}
      iex> WarpEngine.Native.Links.partners(db, "user:2")
      :not_found
  """
  @spec partners(Native.db(), Native.key()) ::
          {:ok, [{Native.key(), float}]} | :not_found | Native.error()
  def partners(db, key) when is_binary(key) do
    with {:ok, [_itself | partners]} <- Nif.get_linked(ref(db), key, false), do: {:ok, partners}
  end

  @doc """
  `partners/2` that gives the bare list, and raises when there is no such key.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.put(db, "user:1", "Ada")
      iex> WarpEngine.Native.Links.partners!(db, "user:1")
      []
  """
  @spec partners!(Native.db(), Native.key()) :: [{Native.key(), float}]
  def partners!(db, key), do: value!(partners(db, key), key)

  @doc """
  All partners of a key with the strengths of their links, whether they and the key exist or not.

      iex> db = WarpEngine.Native.open!(:memory)
      iex> WarpEngine.Native.Links.link(db, "user:1", "posts:1", 0.25)
      iex> WarpEngine.Native.Links.all(db, "user:1")
      {:ok, [{"posts:1", 0.25}]}
      iex> WarpEngine.Native.Links.all(db, "user:2")
      {:ok, []}
  """
  @spec all(Native.db(), Native.key()) :: {:ok, [{Native.key(), float}]} | Native.error()
  def all(db, key) when is_binary(key), do: Nif.partners(ref(db), key)

  @doc """
  `all/2` that gives the bare list, and raises errors.

      iex> WarpEngine.Native.Links.all!(WarpEngine.Native.open!(:memory), "user:1")
      []
  """
  @spec all!(Native.db(), Native.key()) :: [{Native.key(), float}]
  def all!(db, key), do: value!(all(db, key), key)
end
