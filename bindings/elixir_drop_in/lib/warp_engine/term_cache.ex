defmodule WarpEngine.TermCache do
  @moduledoc """
  Hot terms, kept decoded: decoding a map takes ten times as long as copying it.

  An entry is a term, the revision of the value that it was decoded from, the stamp of its record
  and its temperature. It is used only when `WarpEngine.Native.get_if_changed/3` has just answered
  that the key still has that revision, so a stale term is never returned, whoever has written in
  between and by whatever way. The question costs a look-up in the engine's index, however long the
  value is.

  Bounded in bytes, with two tables: entries go into the young one; when that is half of the
  bound, the old one is emptied and they change places. An entry that is used while in the old
  table goes over to the young one, so what is used stays. Nothing is ordered and no process is
  asked.

  Not every value that misses is taken: one in `:cache_sample_rate_get`, as the clock has it, one in 8
  at most, and only of keys that are hot (`WarpEngine.Temperature`). So a scan leaves nothing behind. Records below #{128} bytes are
  decoded faster than looked up, and records above #{64} KiB are left to the engine.
  """

  @bytes_min 128
  @bytes_max 65_536
  # Table entry, tuple and bookkeeping.
  @entry_bytes 120
  @word_bytes :erlang.system_info(:wordsize)
  # A turn that has not ended after this long was taken by a process that was killed in it.
  @turn_ns 1_000_000_000

  # Cells of `control`.
  @young 1
  @bytes_of_first 2
  @turn 4

  @enforce_keys [:tables, :control, :half, :sample]
  defstruct [:tables, :control, :half, :sample]

  @type t :: %__MODULE__{
          tables: {:ets.tid(), :ets.tid()},
          control: :atomics.atomics_ref(),
          half: pos_integer,
          sample: pos_integer
        }
  @type class :: WarpEngine.Temperature.class()
  @typedoc "Key, revision, stamp, temperature, term, and the bytes that all of it takes."
  @type entry ::
          {binary, WarpEngine.Native.revision(), WarpEngine.Record.stamp(), class, term,
           pos_integer}

  @doc """
  An empty cache of at most `bytes`. Its tables live as long as the calling process.

      iex> cache = WarpEngine.TermCache.new(1_000_000, 1)
      iex> WarpEngine.TermCache.lookup(cache, "key")
      :miss
  """
  @spec new(pos_integer, pos_integer) :: t
  def new(bytes, sample) do
    # Not write_concurrency: with it a look-up of a map takes 600 ns instead of 360.
    options = [:set, :public, read_concurrency: true]

    %__MODULE__{
      tables: {:ets.new(:term_cache, options), :ets.new(:term_cache, options)},
      control: :atomics.new(4, signed: true),
      half: max(1, div(bytes, 2)),
      sample: sample
    }
  end

  @doc """
  What is kept of a key in the young table. Not to be used before the revision is known to be
  current.

      iex> cache = WarpEngine.TermCache.new(1_000_000, 1)
      iex> WarpEngine.TermCache.insert(cache, {"key", 17, 5, 2, %{a: 1}}, 200)
      iex> WarpEngine.TermCache.lookup(cache, "key")
      {"key", 17, 5, 2, %{a: 1}, 371}
  """
  @spec lookup(t, binary) :: entry | :miss
  def lookup(%__MODULE__{tables: tables, control: control}, key) do
    entry(elem(tables, :atomics.get(control, @young)), key)
  end

  @doc """
  What is kept of a key in the old table. What was used there is to be inserted again.

      iex> WarpEngine.TermCache.lookup_old(WarpEngine.TermCache.new(1_000_000, 1), "key")
      :miss
  """
  @spec lookup_old(t, binary) :: entry | :miss
  def lookup_old(%__MODULE__{tables: tables, control: control}, key) do
    entry(elem(tables, 1 - :atomics.get(control, @young)), key)
  end

  # The process that owned the tables may have been killed; its successor makes new ones. With more
  # inside the try it takes 50 ns longer.
  defp entry(table, key) do
    found =
      try do
        :ets.lookup(table, key)
      catch
        :error, :badarg -> []
      end

    case found do
      [entry] -> entry
      [] -> :miss
    end
  end

  @doc """
  Whether a record that was read at `now` is to be kept.

      iex> cache = WarpEngine.TermCache.new(1_000_000, 4)
      iex> bytes = :binary.copy("x", 200)
      iex> Enum.count(1..100, &WarpEngine.TermCache.admit?(cache, bytes, &1))
      25
      iex> WarpEngine.TermCache.admit?(cache, "small", 4)
      false
  """
  @spec admit?(t, binary, integer) :: boolean
  def admit?(%__MODULE__{sample: sample}, bytes, now), do: rem(now, sample) == 0 and keeps?(bytes)

  @doc """
  Whether a record is of a size that is kept.

      iex> Enum.map([127, 128, 65_537], &WarpEngine.TermCache.keeps?(:binary.copy("x", &1)))
      [false, true, false]
  """
  @spec keeps?(binary) :: boolean
  def keeps?(bytes), do: byte_size(bytes) in @bytes_min..@bytes_max

  @doc """
  Keeps a term, whose record has so many bytes; an example stands at `lookup/2`.
  """
  @spec insert(
          t,
          {binary, WarpEngine.Native.revision(), WarpEngine.Record.stamp(), class, term},
          non_neg_integer
        ) :: :ok
  def insert(%__MODULE__{} = cache, {key, revision, stamp, class, term}, record_bytes) do
    put(cache, {key, revision, stamp, class, term, entry_bytes(key, record_bytes, term)})
  end

  @doc """
  Keeps what a look-up gave, with another temperature perhaps.

      iex> cache = WarpEngine.TermCache.new(1_000_000, 1)
      iex> WarpEngine.TermCache.put(cache, {"key", 17, 5, 2, %{a: 1}, 333})
      iex> WarpEngine.TermCache.info(cache).bytes
      333
  """
  @spec put(t, entry) :: :ok
  def put(%__MODULE__{} = cache, {_, _, _, _, _, size} = entry) do
    young = :atomics.get(cache.control, @young)
    table = elem(cache.tables, young)

    # An entry that takes more than the bound would throw all others out.
    if size <= cache.half do
      replaced = if :ets.insert_new(table, entry), do: 0, else: replace(table, entry)
      :atomics.add(cache.control, @bytes_of_first + young, size - replaced)

      if :atomics.get(cache.control, @bytes_of_first + young) > cache.half,
        do: turn(cache, young)
    end

    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc """
  Forgets a key, to give its memory back; being current does not depend on it.

      iex> cache = WarpEngine.TermCache.new(1_000_000, 1)
      iex> WarpEngine.TermCache.insert(cache, {"key", 17, 5, 2, %{a: 1}}, 200)
      iex> WarpEngine.TermCache.forget(cache, "key")
      iex> WarpEngine.TermCache.lookup(cache, "key")
      :miss
  """
  @spec forget(t, binary) :: :ok
  def forget(%__MODULE__{} = cache, key) do
    for i <- 0..1, {_, _, _, _, _, size} <- :ets.take(elem(cache.tables, i), key) do
      :atomics.sub(cache.control, @bytes_of_first + i, size)
    end

    :ok
  rescue
    ArgumentError -> :ok
  end

  @doc """
  Entries and bytes, and the bound.

      iex> WarpEngine.TermCache.info(WarpEngine.TermCache.new(1_000_000, 1))
      %{items: 0, bytes: 0, bytes_max: 1_000_000}
  """
  @spec info(t) :: %{items: non_neg_integer, bytes: non_neg_integer, bytes_max: pos_integer}
  def info(%__MODULE__{tables: {a, b}} = cache) do
    items = for table <- [a, b], do: :ets.info(table, :size)
    items = items |> Enum.filter(&is_integer/1) |> Enum.sum()
    bytes = for i <- 0..1, do: :atomics.get(cache.control, @bytes_of_first + i)
    %{items: items, bytes: Enum.sum(bytes), bytes_max: cache.half * 2}
  end

  # Size of the entry that was replaced. Of two at once, both may subtract it: sizes of one key
  # are alike, so that evens out.
  defp replace(table, entry) do
    size = size_of(table, elem(entry, 0))
    :ets.insert(table, entry)
    size
  end

  defp size_of(table, key) do
    :ets.lookup_element(table, key, 6)
  rescue
    # Deleted meanwhile.
    ArgumentError -> 0
  end

  # The old table is emptied and becomes the young one. Whoever finds the turn taken goes on: the
  # bound is passed by no more than the entries that are inserted meanwhile.
  defp turn(cache, young) do
    now = :os.perf_counter()
    taken = :atomics.get(cache.control, @turn)

    if (taken == 0 or now - taken > @turn_ns) and
         :atomics.compare_exchange(cache.control, @turn, taken, now) == :ok do
      if :atomics.get(cache.control, @young) == young do
        :ets.delete_all_objects(elem(cache.tables, 1 - young))
        :atomics.put(cache.control, @bytes_of_first + 1 - young, 0)
        :atomics.put(cache.control, @young, 1 - young)
      end

      :atomics.put(cache.control, @turn, 0)
    end
  end

  # What a term keeps outside the table is at most as long as its record.
  defp entry_bytes(key, record_bytes, term) do
    byte_size(key) + record_bytes + :erts_debug.flat_size(term) * @word_bytes + @entry_bytes
  end
end
