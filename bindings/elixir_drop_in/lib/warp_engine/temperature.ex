defmodule WarpEngine.Temperature do
  @moduledoc """
  How hot a key is: what `:hot_data`, `:warm_data` and `:cold_data` mean.

  The engine takes a put's hint, and decides by it which segment the record goes to; it counts
  accesses by slot and shard, but not by key, and has no call that tells how hot a key is. So
  accesses are counted here, in a sketch of a fixed size (#{div(131_072 * 8, 1024)} KiB, however many keys there are):

    * One access in #{8} is counted, with that weight. Which one is decided by the clock.
    * A count halves with each half-life: `:temperature_half_life_s`, 600 seconds, taken as the nearest
      power of two of nanoseconds, which is 550 seconds.
    * A cell belongs to one key, known by 15 further bits of its hash. Another key that falls into
      it first wears the count down and then takes the cell over. So of two keys that share a cell
      the busier one is measured, and the other one is taken for idle, never for hot.

  From that and from the stamp of the record (see `WarpEngine.Record`):

    1. A key with #{32} accesses or more, decayed, is hot.
    2. Otherwise it is what its put said, for the first half-life after the put: the hint
       (`:access_pattern`, `:priority`), or warm when there was none.
    3. Otherwise it is warm when accesses were counted, and cold when none were.

  A put reports what it was told, as the original documents, and looks at no counts. A get reports
  the same unless accesses have changed it. The counts are not kept over a restart: until accesses
  are counted again, rules 2 and 3 speak.
  """

  import Bitwise

  @cells_log2 17
  @cells 1 <<< @cells_log2
  @sample 8
  @hot_at 32
  @count_max (1 <<< 20) - 1
  @epoch_mask (1 <<< 24) - 1
  @year_2020 1_577_836_800
  # The clock of the records: 2^36 nanoseconds, 69 seconds.
  @tick_bits 36

  @cold 0
  @warm 1
  @hot 2

  @enforce_keys [:cells, :epoch_bits, :tick_offset, :half_life_ticks]
  defstruct [:cells, :epoch_bits, :tick_offset, :half_life_ticks]

  @type t :: %__MODULE__{
          cells: :atomics.atomics_ref(),
          epoch_bits: pos_integer,
          tick_offset: integer,
          half_life_ticks: pos_integer
        }
  @type class :: 0..2
  @type shard :: :hot_data | :warm_data | :cold_data

  # Cell: tag (15 bits) | epoch (24) | count (20); 59 bits, so that it is a small integer.

  @doc """
  An empty sketch.

      iex> sketch = WarpEngine.Temperature.new(600)
      iex> WarpEngine.Temperature.count(sketch, WarpEngine.Temperature.hash("key"), 0)
      0
  """
  @spec new(pos_integer) :: t
  def new(half_life_s) do
    epoch_bits = round(:math.log2(half_life_s * 1.0e9))
    since_2020 = :os.system_time(:nanosecond) - @year_2020 * 1_000_000_000

    %__MODULE__{
      cells: :atomics.new(@cells, signed: false),
      epoch_bits: epoch_bits,
      tick_offset: (since_2020 >>> @tick_bits) - (:os.perf_counter() >>> @tick_bits),
      half_life_ticks: max(1, 1 <<< max(0, epoch_bits - @tick_bits))
    }
  end

  @doc """
  What the other functions know a key by.

      iex> WarpEngine.Temperature.hash("key") == WarpEngine.Temperature.hash("key")
      true
  """
  @spec hash(binary) :: non_neg_integer
  def hash(key), do: :erlang.phash2(key, 1 <<< 32)

  @doc """
  Whether the access that began at `now` is one that is counted.

      iex> Enum.count(1..80, &WarpEngine.Temperature.sampled?/1)
      10
  """
  @spec sampled?(integer) :: boolean
  def sampled?(now), do: (now &&& @sample - 1) == 0

  @doc """
  Counts an access that stands for #{@sample}, or for `weight`.

      iex> sketch = WarpEngine.Temperature.new(600)
      iex> hash = WarpEngine.Temperature.hash("key")
      iex> WarpEngine.Temperature.touch(sketch, hash, 0, 40)
      iex> WarpEngine.Temperature.count(sketch, hash, 0)
      40
      iex> WarpEngine.Temperature.count(sketch, hash, 550_000_000_000)
      20
  """
  @spec touch(t, non_neg_integer, integer, pos_integer) :: :ok
  def touch(%__MODULE__{} = sketch, hash, now, weight \\ @sample) do
    index = (hash &&& @cells - 1) + 1
    tag = hash >>> @cells_log2
    epoch = epoch(sketch, now)
    cell = :atomics.get(sketch.cells, index)
    count = decayed(cell, epoch)

    cell =
      cond do
        cell >>> 44 == tag -> pack(tag, epoch, min(count + weight, @count_max))
        count <= weight -> pack(tag, epoch, weight)
        true -> pack(cell >>> 44, epoch, count - weight)
      end

    # Of two at once, one is lost: a sketch may.
    :atomics.put(sketch.cells, index, cell)
  end

  @doc """
  The decayed count of a key; an example stands at `touch/4`.
  """
  @spec count(t, non_neg_integer, integer) :: non_neg_integer
  def count(%__MODULE__{} = sketch, hash, now) do
    cell = :atomics.get(sketch.cells, (hash &&& @cells - 1) + 1)
    if cell >>> 44 == hash >>> @cells_log2, do: decayed(cell, epoch(sketch, now)), else: 0
  end

  @doc """
  Whether a count makes a key hot.

      iex> Enum.map([31, 32], &WarpEngine.Temperature.hot?/1)
      [false, true]
  """
  @spec hot?(non_neg_integer) :: boolean
  def hot?(count), do: count >= @hot_at

  @doc """
  Temperature that a put reports: the hint that the engine is given, or warm when there is none.

      iex> Enum.map([nil, 0, 2], &WarpEngine.Temperature.at_put/1)
      [1, 0, 2]
  """
  @spec at_put(class | nil) :: class
  def at_put(nil), do: @warm
  def at_put(hint), do: hint

  @doc """
  Temperature that a get reports, of the temperature and the tick in the record.

      iex> sketch = WarpEngine.Temperature.new(600)
      iex> tick = WarpEngine.Temperature.tick(sketch, 0)
      iex> WarpEngine.Temperature.at_get(sketch, 1, 0, 2, tick)
      2
      iex> WarpEngine.Temperature.at_get(sketch, 1, 0, 2, tick - 9)
      0
  """
  @spec at_get(t, non_neg_integer, integer, class, non_neg_integer) :: class
  def at_get(sketch, hash, now, class, put_tick) do
    of_count(sketch, count(sketch, hash, now), now, class, put_tick)
  end

  @doc """
  `at_get/5` of a count that is known.

      iex> WarpEngine.Temperature.of_count(WarpEngine.Temperature.new(600), 32, 0, 0, 0)
      2
  """
  @spec of_count(t, non_neg_integer, integer, class, non_neg_integer) :: class
  def of_count(sketch, count, now, class, put_tick) do
    cond do
      count >= @hot_at -> @hot
      fresh?(sketch, now, put_tick) -> class
      count > 0 -> @warm
      true -> @cold
    end
  end

  @doc """
  Whether a put was less than a half-life ago, so that what it said counts.

      iex> sketch = WarpEngine.Temperature.new(600)
      iex> now = WarpEngine.Temperature.tick(sketch, 0)
      iex> Enum.map([now, now - 9], &WarpEngine.Temperature.fresh?(sketch, 0, &1))
      [true, false]
  """
  @spec fresh?(t, integer, non_neg_integer) :: boolean
  def fresh?(sketch, now, put_tick), do: tick(sketch, now) - put_tick <= sketch.half_life_ticks

  @doc """
  The clock of the records at a reading of `:os.perf_counter/0`: 69-second ticks since 2020.

      iex> WarpEngine.Temperature.tick(WarpEngine.Temperature.new(600), :os.perf_counter()) > 2_000_000
      true
  """
  @spec tick(t, integer) :: non_neg_integer
  def tick(sketch, now), do: sketch.tick_offset + (now >>> @tick_bits)

  @doc """
  The name of a temperature.

      iex> Enum.map([0, 1, 2], &WarpEngine.Temperature.shard/1)
      [:cold_data, :warm_data, :hot_data]
  """
  @spec shard(class) :: shard
  def shard(@hot), do: :hot_data
  def shard(@warm), do: :warm_data
  def shard(_), do: :cold_data

  @doc """
  The hint in the options of a put, or `nil`.

      iex> WarpEngine.Temperature.hint(access_pattern: :hot)
      2
      iex> WarpEngine.Temperature.hint(access_pattern: :balanced, priority: :background)
      0
      iex> WarpEngine.Temperature.hint(access_pattern: :sequential)
      nil
      iex> WarpEngine.Temperature.hint(priority: :critical)
      2
  """
  @spec hint(keyword) :: class | nil
  def hint(options) do
    case Keyword.get(options, :access_pattern, :balanced) do
      :hot -> @hot
      :warm -> @warm
      :cold -> @cold
      :balanced -> by_priority(Keyword.get(options, :priority))
      _ -> nil
    end
  end

  defp by_priority(priority) when priority in [:critical, :high], do: @hot
  defp by_priority(:normal), do: @warm
  defp by_priority(priority) when priority in [:low, :background], do: @cold
  defp by_priority(_), do: nil

  @doc """
  Accesses that a put stands for: its `:data_mass` times its `:temporal_weight`, at most 16. What is
  heavy starts warmer.

      iex> WarpEngine.Temperature.weight(data_mass: 3.0, temporal_weight: 2)
      6
      iex> WarpEngine.Temperature.weight([])
      1
  """
  @spec weight(keyword) :: 1..16
  def weight(options) do
    heavy = number(options, :data_mass) * number(options, :temporal_weight)
    heavy |> min(16) |> max(1) |> round()
  end

  defp number(options, name) do
    case Keyword.get(options, name, 1) do
      number when is_number(number) -> number
      _ -> 1
    end
  end

  defp epoch(sketch, now), do: now >>> sketch.epoch_bits &&& @epoch_mask

  defp pack(tag, epoch, count), do: tag <<< 44 ||| epoch <<< 20 ||| count

  defp decayed(cell, epoch) do
    count = cell &&& @count_max
    age = epoch - (cell >>> 20 &&& @epoch_mask) &&& @epoch_mask
    if age > 20, do: 0, else: count >>> age
  end
end
